"""From a file on disk to a checked manifest: TOML or JSON, told apart by the first character."""

import json
import re
import sys
import tomllib
from pathlib import Path

from aaa.extra_attributes import is_allowed
from app.manifest import Manifest, ReplyCheck, parse
from core.errors import Invalid
from core.radius.codec import CodecError, encode_named
from dictionaries.definitions import Dictionary

STDIN = Path("-")


def read(path: Path, dictionary: Dictionary) -> Manifest:
    """The manifest in the file; ``-`` is standard input.

    Raises:
        Invalid: it cannot be read, is neither TOML nor JSON, or has mistakes.
    """
    found = document(path)
    try:
        return parse(found, reply_check(dictionary))
    except Invalid as wrong:
        lines = "\n".join(f"{path}: {line}" for line in str(wrong).splitlines())
        raise Invalid(lines, field=wrong.field) from None


def document(path: Path) -> object:
    """What the file holds, unchecked; ``-`` is standard input.

    Raises:
        Invalid: it cannot be read, or is neither TOML nor JSON.
    """
    try:
        text = (sys.stdin.buffer.read() if path == STDIN else path.read_bytes()).decode()
        return _document(text)
    except OSError as failed:
        raise Invalid(f"{path}: {failed.strerror}: name a file that can be read") from None
    except UnicodeDecodeError as wrong:
        raise Invalid(f"{path} is not UTF-8 (octet {wrong.start}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as wrong:
        raise Invalid(f"{path} is not TOML: {wrong}") from None
    except RecursionError:
        raise Invalid(f"{path} is nested too deeply: three levels are all it needs") from None
    except json.JSONDecodeError as wrong:
        raise Invalid(f"{path} is not JSON: {wrong}") from None


def reply_check(dictionary: Dictionary) -> ReplyCheck:
    """Whether this attribute can be put into a reply, and may be."""

    def check(name: str, value: str | int) -> int:
        try:
            octets = encode_named(dictionary, name, value)
        except CodecError as wrong:
            # The path and the value are told already.
            raise Invalid(re.sub(r"^\S+ = .*?: (?=\S)", "", str(wrong), flags=re.S)) from None
        if not is_allowed(octets):
            raise Invalid(
                "the protocol or a key of its own sets it, or it has no place in a reply: leave it"
            )
        return len(octets)

    return check


def _document(text: str) -> object:
    if text.lstrip().startswith("{"):
        return json.loads(text, object_pairs_hook=_without_duplicates)
    return tomllib.loads(text)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Invalid(f"the key {key!r} stands twice in one object: keep one of the two")
            seen.add(key)
    return table
