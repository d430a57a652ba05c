"""What a vendor's dialect must be able to say.  One small pure file each; `vendors` lists them."""

from dataclasses import dataclass
from typing import Final, Protocol

from nas_adapters.profile import ServiceProfile

UINT32_MAX: Final = 2**32 - 1
UINT64_MAX: Final = 2**64 - 1
COA_PORT: Final = 3799  # RFC 5176 §2.1


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute by its dictionary name; `core.radius.codec` turns it into octets."""

    name: str
    value: str | int | bytes
    tag: int | None = None


class Vendor(Protocol):
    """How one family of boxes is spoken to.  A module of this folder is one."""

    @property
    def name(self) -> str:
        """As a NAS's `vendor` names it."""
        ...

    @property
    def coa_port(self) -> int:
        """Where it listens for Change-of-Authorization unless told otherwise."""
        ...

    def render(self, profile: ServiceProfile) -> tuple[Attr, ...]:
        """The Access-Accept attributes that give this profile, in this vendor's units."""
        ...

    def limits(self, profile: ServiceProfile) -> tuple[Attr, ...]:
        """Those of `render` that say the limits in octets, alone; none where it has no words.

        Apart, because they change with each login and the rest of a plan does not.
        """
        ...


def clamped(value: int, *, least: int = 1, most: int = UINT32_MAX) -> int:
    """`value`, or the nearest that the attribute can say.

    More than 32 bits must not wrap (10 Gbit/s would become 1.4), and what rounds to zero
    must not be sent, because to most boxes a rate or a time of zero means "no limit".
    """
    return max(least, min(value, most))


def words(octets: int) -> tuple[int, int]:
    """An amount as the low 32 bits and the number of 2^32 above them ("Gigawords").

    Both are always said: of 4 GiB the low word alone is zero, which means "no limit".
    """
    octets = clamped(octets, most=UINT64_MAX)
    return octets & UINT32_MAX, octets >> 32
