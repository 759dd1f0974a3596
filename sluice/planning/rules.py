"""The rule of a field, declared beside it: msgspec checks a value, the message states the rule."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from chalicelib.errors import SluiceError

Note = TypeVar("Note")


class PlanError(SluiceError):
    """A workload or settings that cannot be planned; the message has a line for every reason."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Option:
    """The option of `sluice plan` that sets a field."""

    help: str
    name: str = ""
    """Empty for an option that is named as its field."""

    def flag(self, field: str) -> str:
        """Return the option as it is typed."""
        return f"--{self.name or field.replace('_', '-')}"


def number(low: float, high: float, *, above: bool = False) -> Meta:
    """Return the rule of a number within these bounds, or above the lower one."""
    if above:
        return Meta(gt=low, le=high, description=f"above {low:,} and at most {high:,}")
    return Meta(ge=low, le=high, description=f"from {low:,} to {high:,}")


def whole(low: int, high: int, reason: str = "", example: int | None = None) -> Meta:
    """Return the rule of a whole number within these bounds."""
    text = f"a whole number from {low:,} to {high:,}" + (f", {reason}" if reason else "")
    return Meta(ge=low, le=high, description=text, examples=None if example is None else [example])


def text(pattern: str, description: str, example: str | None = None) -> Meta:
    """Return the rule of a text that matches a pattern as a whole."""
    examples = None if example is None else [example]
    return Meta(pattern=rf"\A(?:{pattern})\Z", description=description, examples=examples)


def annotations(cls: type) -> dict[str, Any]:
    """Return each field's type with its rule; None, where a field may be that, is left out."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: _without_none(hint) for name, hint in hints.items()}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    return hint


def noted(annotation: Any, kind: type[Note]) -> Note | None:
    """Return what of this kind is noted beside a field's type."""
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((each for each in notes if isinstance(each, kind)), None)


def plain_type(annotation: Any) -> Any:
    """Return a field's type without what is noted beside it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a field's value where msgspec cannot; its ValueError states the rule."""

    read: Callable[[Any], Any]


def rule_of(annotation: Any) -> str:
    """Return what a value must be, in words; empty for a field that only its reader knows."""
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    meta = noted(annotation, Meta)
    return (meta and meta.description) or ""


def read_value(name: str, value: Any, annotation: Any, *, strict: bool = True) -> Any:
    """Return a value as its field holds it. Raises ValueError, which names value and rule.

    Numbers may be text unless it is strict.
    """
    spelling = "/".join(value) if isinstance(value, tuple) else value
    try:
        if reader := noted(annotation, Reader):
            return reader.read(value)
        return msgspec.convert(value, annotation, strict=strict)
    except msgspec.ValidationError:
        raise ValueError(f"{name} is {spelling!r}, but must be {rule_of(annotation)}") from None
    except ValueError as error:
        raise ValueError(f"{name} is {spelling!r}, but {error}") from None


def field_errors(instance: Any) -> list[str]:
    """Return a sentence for each field of a dataclass whose value breaks the field's rule."""
    errors = []
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value == field.default:
            continue
        try:
            read_value(field.name, value, annotations(type(instance))[field.name])
        except ValueError as error:
            errors.append(str(error))
    return errors
