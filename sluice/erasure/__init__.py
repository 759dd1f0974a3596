"""Erases all changes of a key from the lake, and from whatever else the bucket keeps of them."""
