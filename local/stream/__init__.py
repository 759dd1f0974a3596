"""Follows a DynamoDB stream, for the local pipe and the local event source mapping."""
