"""What a manifest says of how a NAS speaks: its unit, the names of its lines, names by template.

Checked as far as it can be without a login: a pattern compiles and has groups that mean
something, a template's placeholders exist.
"""

from collections.abc import Callable, Mapping
from typing import Final

from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid
from nas_adapters import line_patterns, templates
from nas_adapters.counting import UNITS

KEYS: Final = ("octet_unit", "line_patterns", "name_templates")


def octet_unit(table: Table) -> int:
    return UNITS[table.take("octet_unit", values.one_of(*UNITS), "octet")]


def patterns(table: Table, nas: str) -> Mapping[str, str]:
    """``[nas.line_patterns]``: by what they read, expressions with named groups."""
    return _texts(table, "line_patterns", lambda texts: line_patterns.compiled(nas, texts))


def names(table: Table, nas: str) -> Mapping[str, str]:
    """``[nas.name_templates]``: by field of a plan, how the name on this NAS is made."""
    return _texts(table, "name_templates", lambda texts: templates.parsed(nas, texts))


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
