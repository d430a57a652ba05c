"""MAC addresses in every notation that boxes and people use, brought to one: 12 hex digits.

Knows what stands in a Calling-Station-Id and in a configuration file.  Refuses to guess:
what has not one of the known shapes is None, because a name such as `feed-cab-decaf` must
not pass for an address.
"""

import re
from typing import Final

WRITTEN_MAX: Final = 64  # longer is none, and not worth a search

# How many hex digits the parts have, whatever separates them.  A DHCP client identifier
# begins with its hardware type, 1 for Ethernet (RFC 2132 §9.14), and is told by its length.
_PAIRS: Final = re.compile(
    r"(?:0?1[:.-])?([0-9a-f]{1,2}(?:([:.\- ])[0-9a-f]{1,2})(?:\2[0-9a-f]{1,2}){4})"
)
_SOLID: Final = re.compile(
    r"(?:0?1[:.\- ]?)?("
    r"[0-9a-f]{12}"
    r"|[0-9a-f]{6}[:.-][0-9a-f]{6}"  # HP
    r"|[0-9a-f]{4}([:.-])[0-9a-f]{4}\2[0-9a-f]{4}"  # Cisco, Huawei
    r")"
)
_CLIENT_ID_DOTTED: Final = re.compile(r"01([0-9a-f]{2}\.[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{2})")
_INTERFACE: Final = re.compile(r"[a-z0-9_.@/-]*[g-z][a-z0-9_.@/-]*:")  # accel-ppp's `eth0:`


def normalise(written: str | bytes) -> str | None:
    """`02005e100001` for ``02:00:5E:10:00:01``, ``0200.5e10.0001``, ``1:2:0:5e:10:0:1`` and kin.

    None for anything else, also for octets that are no text.
    """
    if isinstance(written, bytes):
        try:
            written = written.decode("ascii")
        except UnicodeDecodeError:
            return None
    if not written.isascii() or len(written) > WRITTEN_MAX:
        return None
    text = written.strip().lower()
    prefix = _INTERFACE.match(text)
    if prefix is not None:
        text = text[prefix.end() :]
    if match := _PAIRS.fullmatch(text):
        return "".join(part.zfill(2) for part in re.split(r"[:.\- ]", match[1]))
    match = _SOLID.fullmatch(text) or _CLIENT_ID_DOTTED.fullmatch(text)
    return re.sub(r"[:.\-]", "", match[1]) if match else None
