"""What attributes are once they are decoded, and what it takes to hide or reveal their values."""

from typing import NamedTuple, TypeAlias

import msgspec

from core.radius.values import Scalar

Item: TypeAlias = "Decoded | Unknown"


class Decoded(msgspec.Struct, frozen=True):
    """An attribute of a known name.  Of a TLV, `value` is the items within.

    A revealed password is a plain value here: do not log what was decoded with a secret.
    """

    name: str
    value: "Scalar | tuple[Item, ...]"
    tag: int | None = None


class Unknown(msgspec.Struct, frozen=True):
    """An attribute that no dictionary knows, or whose value is not of its type.

    `path` is the number as far as it could be read, `octets` all that follows it.
    """

    path: tuple[int, ...]
    octets: bytes


class Hiding(NamedTuple):
    """What User-Password and salted values are hidden with."""

    secret: bytes | None
    authenticator: bytes | None
    salt: bytes | None = None
