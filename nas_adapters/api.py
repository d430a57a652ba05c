"""What every box with an API of its own can be asked, whoever made it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nas_adapters.actives import Active
from nas_adapters.base import SessionRef
from nas_adapters.profile import ServiceProfile


@dataclass(frozen=True, slots=True)
class Health:
    """Who answers there; None or empty where the box does not tell."""

    name: str
    model: str = ""
    version: str = ""
    uptime_s: int | None = None
    cpu_percent: int | None = None
    free_memory_octets: int | None = None


class NasApi(Protocol):
    """A box that is logged in to.  All of it raises the refusals of `trouble`."""

    async def health(self) -> Health: ...

    async def actives(self) -> Sequence[Active]:
        """Everyone who is online there."""
        ...

    async def disconnect(self, session: SessionRef) -> None:
        """End this session, and no other of its name.  NotThere if it has ended."""
        ...

    async def set_rate(self, session: SessionRef, profile: ServiceProfile) -> None:
        """Give the session this profile's rates.  WillNot where only a new login does."""
        ...
