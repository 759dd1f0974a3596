"""Comparing the table with the lake."""
