"""What a vendor's dialect must be able to say.  One small pure file each; `vendors` lists them."""

from dataclasses import dataclass
from typing import Protocol

from nas_adapters.profile import ServiceProfile


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute by its dictionary name; `core.radius.codec` turns it into octets."""

    name: str
    value: str | int | bytes
    tag: int | None = None


class Vendor(Protocol):
    """How one family of boxes is spoken to."""

    name: str

    def render(self, profile: ServiceProfile) -> tuple[Attr, ...]:
        """The Access-Accept attributes that give this profile, in this vendor's units."""
        ...
