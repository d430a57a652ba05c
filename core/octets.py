r"""Octets from the network as text that a database and a terminal accept, and back.

PostgreSQL's text takes neither NUL nor broken UTF-8, yet a User-Name may hold both and
must neither be lost nor be taken for another name.  So what is printable UTF-8 stays as
it is, a backslash is doubled, and everything else becomes ``\xNN``; the two functions
are inverse.
"""

import re

_ESCAPED = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def to_text(octets: bytes) -> str:
    """Readable and reversible: ``b"alice\\0x"`` is ``alice\\x00x``."""
    if octets.isascii():
        text = octets.decode("ascii")
        if text.isprintable() and "\\" not in text:
            return text
    text = octets.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else "".join(f"\\x{octet:02x}" for octet in char.encode())
        for char in text
    )


def from_text(text: str) -> bytes:
    """The octets that `to_text` was given."""
    return _ESCAPED.sub(
        lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]), text.encode()
    )
