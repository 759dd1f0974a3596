"""All that ships to Lambda."""
