"""What commands print: aligned columns for people, JSON for programs.

No colours, and nothing that a terminal would obey: names come from the network.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

Row = Mapping[str, object]

CELL_MAX: Final = 44  # an IPv6 network fits


def say(text: str) -> None:
    """One line or more for the person who asked."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line for the person who asked, beside what programs read."""
    sys.stdout.flush()
    sys.stderr.write(f"{printable(text)}\n")


def tell(tenant: str, lines: Sequence[str], *, dry_run: bool) -> None:
    """The difference that `apply` found."""
    for line in lines:
        say(printable(line))
    if not lines:
        say(f"tenant {tenant}: nothing to change")
        return
    added = sum(line.startswith("+") for line in lines)
    end = "; nothing was written (--dry-run)" if dry_run else ""
    say(f"tenant {tenant}: {added} added, {len(lines) - added} changed{end}")


def table(
    rows: Iterable[Row], columns: Sequence[str], *, header: bool = True, whole: bool = False
) -> None:
    """Columns as wide as their widest value, under their names.

    A value longer than `CELL_MAX` ends in an ellipsis, but for the last of a line: one name
    must not push all others off the screen.  `whole` leaves it as it is.
    """
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    if not whole:
        cells = [[*map(_cut, line[:-1]), *line[-1:]] for line in cells]
    if header:
        cells.insert(0, [column.upper() for column in columns])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def facts(row: Row) -> None:
    """One thing: a line for each of its facts."""
    width = max(map(len, row), default=0)
    for name, value in row.items():
        say(f"{name.ljust(width)}  {_cell(value)}")


def as_json(value: object) -> None:
    """One JSON document."""
    say(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def as_json_array(rows: Iterable[Row]) -> None:
    """Row by row, so that a long list needs no memory."""
    separator = "["
    for row in rows:
        sys.stdout.write(separator + "\n" + json.dumps(row, default=_plain, ensure_ascii=False))
        separator = ","
    say("\n]" if separator == "," else "[]")


def _cut(text: str) -> str:
    return text if len(text) <= CELL_MAX else f"{text[: CELL_MAX - 1]}…"


def _cell(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return printable(", ".join(_cell(item) for item in value))
    if isinstance(value, dict):
        return printable(json.dumps(value, default=_plain, ensure_ascii=False))
    return printable(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def printable(text: str) -> str:
    """The text with what is not printable escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
