"""The records of a table in JSON Schema, with every rule of the declaration that it can say.

What it cannot say, a text's length once percent-encoded and a time that exists, is a format.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from chalicelib.attributes import NUMBER_RULE
from chalicelib.declaration import (
    EPOCH_MS_MAX,
    ByAttribute,
    ByPrefix,
    Key,
    Level,
    RecordShape,
    Table,
    Time,
)
from chalicelib.keys import KEY_PART_BYTES_MAX
from chalicelib.limits import NESTING_MAX
from chalicelib.times import MILLISECONDS, PLAUSIBLE_MS
from chalicelib.validation import (
    RECORD_BYTES_MAX,
    UNADDRESSABLE_KEYS,
    defaults,
    needed_levels,
    needed_times,
)

Json = dict[str, Any]
"""A JSON object."""

PARTITION_FORMAT = "partition-value"
"""The format of a text that names a partition: short enough when percent-encoded."""

TIME_FORMAT = "event-time"
"""The format of an event time in ISO 8601, of the years 1970 to 9999."""

_SIXTY_FOUR = "[A-Za-z0-9+/]"

BASE64 = f"^({_SIXTY_FOUR}{{4}})*({_SIXTY_FOUR}{{2}}==|{_SIXTY_FOUR}{{3}}=)?$"
"""The pattern of a binary value."""

_ANYTHING: Json = {
    "description": f"Any JSON, {NESTING_MAX} levels deep at most.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "description": f"Of {NUMBER_RULE}."},
        {"type": "array", "items": {"$ref": "#/components/schemas/Anything"}},
        {
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/Anything"},
            "propertyNames": {"minLength": 1},
        },
    ],
}


def ref(name: str) -> Json:
    """Return the reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def record_schemas(table: Table) -> Json:
    """Return the components Record, what may be posted, and Written, and those that they need."""
    shapes = table.accepted_shapes
    roots, parts = msgspec.json.schema_components(
        [shape.record for shape in shapes], ref_template="#/components/schemas/Part.{name}"
    )
    for part in parts.values():
        part["additionalProperties"] = False
    components: Json = {}
    written = []
    for shape, root in zip(shapes, roots, strict=True):
        name = f"Record.{shape.kind}" if table.told_by else "Record"
        part = parts[root["$ref"].rpartition("/Part.")[2]]
        components[name] = _record(table, shape, deepcopy(part))
        filled = [name for name, default in defaults(shape).items() if default is not UNSET]
        written.append({**ref(name), "required": filled})
    if table.told_by:
        components["Record"] = {"oneOf": [ref(name) for name in components]}
    limit = f"A record to write: at most {RECORD_BYTES_MAX} bytes of JSON."
    components["Record"]["description"] = limit
    components["Written"] = {
        **({"oneOf": written} if table.told_by else written[0]),
        "description": "A record with what the API filled in.",
    }
    within = {f"Part.{name}": part for name, part in parts.items()} | {"Anything": _ANYTHING}
    used = msgspec.json.encode([components, parts]).decode()
    return {name: each for name, each in within.items() if f'/{name}"' in used} | components


def _record(table: Table, shape: RecordShape, schema: Json) -> Json:
    """Return the schema of a kind, from that of its Struct."""
    properties = schema["properties"]
    schema["required"] = [*schema.get("required", ()), *needed_levels(table, shape)]
    for key, limit in zip(table.key, KEY_PART_BYTES_MAX, strict=False):
        _as_key(key, limit, properties[key.name])
    for level in table.levels:
        if level.attribute and level.attribute in shape.fields:
            kinds = shape.fields[level.attribute].type.kinds
            _as_level(level, properties[level.attribute], kinds)
    for time in table.times:
        if time.field and time.field in shape.fields:
            _as_time(time, properties[time.field])
    if names := needed_times(table, shape):
        schema["anyOf"] = [{"required": [name]} for name in names]
    if table.told_by:
        (when,) = (kind.when for kind in table.kinds if kind.name == shape.kind)
        _as_kind(table.told_by, when, properties[table.told_by.name])
    for name, field in shape.fields.items():
        if isinstance(field.type.info, inspect.AnyType):
            properties[name] |= ref("Anything")
    schema["additionalProperties"] = False if shape.is_declared else ref("Anything")
    if not shape.is_declared:
        schema["propertyNames"] = {"minLength": 1}
    return schema


def _as_key(key: Key, limit: int, schema: Json) -> None:
    """Add the rules of a part of the key to a field's schema."""
    if key.type == "S":
        schema |= {
            "minLength": max(1, schema.get("minLength", 1)),
            "not": {"enum": UNADDRESSABLE_KEYS},
        }
    elif key.type == "B":
        schema |= {"minLength": 4, "pattern": BASE64.replace("*", f"{{0,{(limit - 1) // 3}}}")}


def _as_level(level: Level, schema: Json, kinds: Sequence[str]) -> None:
    """Add the rules of a partition's name to a field's schema."""
    if kinds[0] != "S":
        return
    schema["minLength"] = max(1, schema.get("minLength", 1))
    schema["maxLength"] = min(level.length, schema.get("maxLength", level.length))
    schema["format"] = PARTITION_FORMAT
    rule = f"At most {level.length} characters once percent-encoded."
    schema["description"] = f"{schema.get('description', '')} {rule}".lstrip()


def _as_time(time: Time, schema: Json) -> None:
    """Add the rules of an event time to a field's schema."""
    if time.unit == "iso":
        schema["format"] = TIME_FORMAT
        return
    factor = MILLISECONDS[time.unit]
    schema["minimum"] = max(0, schema.get("minimum", 0))
    last = int((EPOCH_MS_MAX + 1) / factor) - 1
    schema["maximum"] = min(last, schema.get("maximum", last))
    first, end = PLAUSIBLE_MS
    others = [other for other in MILLISECONDS.values() if other > factor]
    if others and not time.real_before_1973:
        # What would be plausible in a coarser unit is taken for a mistake.
        schema["not"] = {
            "anyOf": [
                {"minimum": int(first / other), "exclusiveMaximum": int(end / other)}
                for other in others
            ]
        }


def _as_kind(told_by: ByAttribute | ByPrefix, when: str, schema: Json) -> None:
    """Add to a field's schema what says that a record is of a kind."""
    if isinstance(told_by, ByAttribute):
        schema["const"] = when
    else:
        begins = {"pattern": "^" + re.sub(r"[\\^$.|?*+()\[\]{}/]", r"\\\g<0>", when)}
        schema["allOf"] = [*schema.get("allOf", ()), begins]
