"""Compaction: raw objects of the lake into two Iceberg tables, `history` and `current`."""
