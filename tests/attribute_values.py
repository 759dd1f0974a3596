"""DynamoDB attribute values for tests: any of them, and when two are the same."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

DIGITS_MAX = 38
EXPONENTS = (-130, 125)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
binaries = st.binary(max_size=8)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """The text of any number that DynamoDB holds, spelt in any way that it accepts."""
    digits = draw(st.integers(-(10**DIGITS_MAX) + 1, 10**DIGITS_MAX - 1))
    leading = draw(st.integers(*EXPONENTS))
    exact = Decimal(digits).scaleb(leading - Decimal(digits).adjusted()) if digits else Decimal(0)
    return draw(st.sampled_from([str(exact), f"{exact:f}", f"{exact:e}"]))


whole_numbers = st.integers(-(10**DIGITS_MAX) + 1, 10**DIGITS_MAX - 1).map(str)


def a_set(kind: str, members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def same(member: Any) -> Any:
        return Decimal(member) if kind == "NS" else member

    return st.fixed_dictionaries({kind: st.lists(members, min_size=1, max_size=5, unique_by=same)})


def of(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({kind: values})


null = st.just({"NULL": True})
sets = a_set("SS", texts) | a_set("NS", numbers()) | a_set("BS", binaries)
scalars = (
    of("S", texts)
    | of("N", numbers())
    | of("B", binaries)
    | of("BOOL", st.booleans())
    | null
    | sets
)


def containers(members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return of("L", st.lists(members, max_size=2)) | of(
        "M", st.dictionaries(texts, members, max_size=2)
    )


# Not `st.recursive`: it draws again whatever has more leaves than it allows, which takes most of
# the time, and on a busy machine more than Hypothesis gives to the drawing of values.
attribute_values = scalars
for _ in range(3):
    attribute_values = scalars | containers(attribute_values)


def comparable(value: dict[str, Any]) -> Any:
    """What an attribute value means: numbers by their value, sets without order."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return kind, Decimal(content)
        case "NS":
            return kind, frozenset(map(Decimal, content))
        case "SS" | "BS":
            return kind, frozenset(content)
        case "L":
            return kind, [comparable(each) for each in content]
        case "M":
            return kind, comparable_item(content)
    return kind, content


def comparable_item(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: comparable(value) for name, value in item.items()}
