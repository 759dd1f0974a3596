"""A compaction killed at five moments, beside a writer and a replay: `make crash`.

Changes of 30 days of event time go through the whole local pipeline, with deletes, disorder, late
lines and duplicates. The suite kills a smaller one at the same moments.
"""
