"""Sluice's Lambda entry points: the seeding API and the Firehose transform. No logic lives here."""

from typing import Any

from chalice.app import Chalice

from chalicelib.transform import deployed_transformer

app = Chalice(app_name="sluice")


@app.lambda_function(name="transform")
def transform(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one Firehose batch."""
    return deployed_transformer()(event)
