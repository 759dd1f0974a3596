"""Existing items of the table into the lake: as SNAPSHOT changes, through the delivery stream.

A source (`scan`, `export`) reads pages of items; `run` delivers them and notes in the `checkpoint`
how far each part of the source is. docs/lake.md says why no gap is left and no item goes back.
"""
