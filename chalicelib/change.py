"""A change of the table: how the pipe spells it, and the struct that reads it.

The template passes whole sub-objects and no single attribute: Pipes inserts values unescaped and
turns a missing path into "" (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html),
so an attribute named by the template could break the JSON, inject a field, or be missing unseen.
"""

from typing import Literal

INPUT_TEMPLATE = (
    '{"eventID": <$.eventID>, "eventName": <$.eventName>, '
    '"dynamodb": <$.dynamodb>, "userIdentity": <$.userIdentity>}'
)
"""The pipe's input template. Every stream record has these paths but `userIdentity`, which comes as
"" unless a service made the change."""

ChangeType = Literal["INSERT", "MODIFY", "REMOVE"]
