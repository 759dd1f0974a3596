"""An erasure killed three times, of a lake that is raw, compacted and quarantined: `make erasure`.

A hundred keys of 50,000 changes go, beside a writer and a compaction. What is left is searched to
the last byte, and then a replay, a redrive and an export try to bring the keys back.
"""
