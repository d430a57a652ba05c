"""What a manifest says of how a NAS speaks: its unit, the names of its lines, names by template;
and what a plan says to boxes alone.

Checked as far as it can be without a login: a pattern compiles and has groups that mean
something, a template's placeholders exist.
"""

from collections.abc import Callable, Mapping
from typing import Final

from aaa.on_nas import FIELDS, NOTHING, OnNas
from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid
from nas_adapters import line_patterns, templates
from nas_adapters.base import Counting
from nas_adapters.counting import NAMES, UNITS

KEYS: Final = ("octet_unit", "line_patterns", "name_templates")
VLAN_MAX: Final = 4094  # IEEE 802.1Q

_NAMES: Final = tuple(key for key in FIELDS if key not in ("idle_timeout_s", "vlan"))


def octet_unit(table: Table, counting: Counting) -> int:
    """In octets; the dialect's own where the manifest says nothing."""
    return UNITS[table.take("octet_unit", values.one_of(*UNITS), NAMES[counting.octet_unit])]


def patterns(table: Table, nas: str) -> Mapping[str, str]:
    """``[nas.line_patterns]``: by what they read, expressions with named groups."""
    return _texts(table, "line_patterns", lambda texts: line_patterns.compiled(nas, texts))


def names(table: Table, nas: str) -> Mapping[str, str]:
    """``[nas.name_templates]``: by field of a plan, how the name on this NAS is made."""
    return _texts(table, "name_templates", lambda texts: templates.parsed(nas, texts))


def on_nas(table: Table) -> OnNas:
    """``on_nas = { vlan = 100, qos_profile = "home-20" }`` of a plan."""
    inner = table.inner("on_nas")
    if inner is None:
        return NOTHING
    inner.only(*FIELDS)
    return OnNas(
        idle_timeout_s=inner.take("idle_timeout_s", values.whole(1, values.UINT32_MAX), None),
        vlan=inner.take("vlan", values.whole(1, VLAN_MAX), None),
        **{key: inner.take(key, values.attribute_text, None) for key in _NAMES},
    )


def _texts(table: Table, key: str, check: Callable[[dict[str, str]], object]) -> Mapping[str, str]:
    inner = table.inner(key)
    if inner is None:
        return {}
    texts = {each: inner.need(each, values.string) for each in inner.names()}
    try:
        check(texts)
    except Invalid as mistake:
        raise table.wrong(key, str(mistake)) from None
    return texts
