"""EventBridge Pipes on one machine, for a DynamoDB stream as source and Firehose as target.

It does what AWS documents, and refuses by name what AWS leaves open or what this pipe lacks.
"""
