"""Bringing back what did not arrive: quarantine, replay, dead letters, redrive."""
