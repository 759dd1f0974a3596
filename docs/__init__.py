"""The documents, and what writes those that derive from the code."""
