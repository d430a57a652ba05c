r"""How the operator of an access node writes the names of lines: expressions with named groups.

The layout is theirs (``raio-format`` of one maker, a port-identification profile of another),
so none is built in: ``(?P<node>\S+) xpon (?P<frame>\d+)/(?P<slot>\d+)/...``.  Written once for
each NAS, and read for each of its lines.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from core.errors import Invalid
from nas_adapters.identity import Line, Patterns

NAMES: Final = ("circuit_id", "remote_id", "nas_port_id", "user_name")
GROUPS: Final = Line.__struct_fields__
PATTERN_MAX: Final = 500
NO_LINE: Final = Line()

_VLANS: Final = ("svlan", "cvlan")
VLAN_DIGITS_MAX: Final = 4  # IEEE 802.1Q: up to 4094


def compiled(nas: str, patterns: dict[str, str]) -> Patterns:
    """The patterns of a NAS, ready for use.

    Raises:
        Invalid: names the NAS, the pattern and what is wrong with it.
    """
    for what in patterns:
        if what not in NAMES:
            raise Invalid(f"NAS {nas}: no name is called {what}; there are {', '.join(NAMES)}")
    return Patterns(nas, **{what: _compiled(nas, what, text) for what, text in patterns.items()})


def read_any(names: Mapping[str, str | None], patterns: Patterns) -> tuple[Line, str | None]:
    """The first name that its pattern fits; else nothing, and what to say of one it does not."""
    wrong = None
    for what, name in names.items():
        pattern = getattr(patterns, what)
        if pattern is None or name is None:
            continue
        line = read(pattern, name)
        if line is not None:
            return line, None
        wrong = wrong or unread(what, name, patterns)
    return NO_LINE, wrong


def read(pattern: re.Pattern[str], name: str) -> Line | None:
    """What the groups of the pattern found in a name, or None if it is not of that form."""
    match = pattern.search(name)
    if match is None:
        return None
    found = {
        group: _vlan(text) if group in _VLANS else text
        for group, text in match.groupdict().items()
        if text
    }
    return msgspec.convert(found, Line)


def _vlan(text: str) -> int | None:
    """Some boxes write 0100; what somebody else wrote there may be anything."""
    return int(text) if text.isdecimal() and len(text) <= VLAN_DIGITS_MAX else None


def unread(what: str, name: str, patterns: Patterns) -> str:
    """What to say of a name that the pattern does not fit."""
    return f"NAS {patterns.nas}: {what} {name!r} is not of the form that its pattern describes"


def _compiled(nas: str, what: str, text: str) -> re.Pattern[str]:
    at = f"NAS {nas}: pattern of {what} {text!r}"
    if len(text) > PATTERN_MAX:
        raise Invalid(f"NAS {nas}: pattern of {what}: write at most {PATTERN_MAX} characters")
    try:
        pattern = re.compile(text, re.ASCII)
    except re.error as error:
        raise Invalid(f"{at}: {error}") from None
    unknown = sorted(pattern.groupindex.keys() - set(GROUPS))
    if unknown:
        raise Invalid(f"{at}: unknown group {unknown[0]}; there are {', '.join(GROUPS)}")
    if not pattern.groupindex:
        raise Invalid(f"{at}: has no named group; write (?P<port>...), of {', '.join(GROUPS)}")
    return pattern
