"""Lambda's event source mapping on one machine, for a DynamoDB stream as its source.

The emulator has such mappings, which lose what a function reports as failed. So the deployed one is
disabled there, and run here: it does what AWS documents, and refuses by name what this mapping
lacks. The function itself runs in the emulator.
"""
