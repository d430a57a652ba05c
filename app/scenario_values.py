"""The values that only a scenario holds: from what TOML gave to seconds, parts and numbers.

Each function takes one value and returns it converted, or raises Invalid with what is
wrong and what to write instead, like those of `manifest_values`.
"""

from app import manifest_values as values
from core.errors import Invalid
from core.units import parse_time_s


def tables(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise Invalid("write it as [[nas]] or [[event]], once for each")
    return value


def names(value: object) -> frozenset[str]:
    return frozenset(values.list_of(values.string)(value))


def seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    try:
        return float(parse_time_s(value))
    except ValueError as wrong:
        raise Invalid(str(wrong)) from None


def number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid("write a number, without quotes")
    return float(value)


def part(value: object) -> float:
    found = number(value)
    if not 0 <= found <= 1:
        raise Invalid("write a part from 0 to 1: 0.05 is 5 %")
    return found


def positive(value: object) -> float:
    found = number(value)
    if not 0 < found < 1e6:
        raise Invalid("write a number above 0, and below a million")
    return found


def some(value: object) -> float:
    found = number(value)
    if not 0 <= found <= 3600:
        raise Invalid("write seconds from 0 to 3600")
    return found
