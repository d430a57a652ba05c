"""What a transaction of ingest did, for those who act on it."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from accounting.about import About
from accounting.folded import Folded
from accounting.generations import Generation
from accounting.identity import SessionKey
from accounting.marks import Restart
from accounting.usage import Usage
from core.db import Tx


@dataclass(frozen=True, slots=True)
class SessionNow:
    """A session that the batch changed, as it is now."""

    id: int
    key: SessionKey
    subscriber_id: int | None
    generation: Generation
    about: About
    is_new: bool


class UsageRow(NamedTuple):
    """A row that was added to `usage`; amounts are signed."""

    tenant_id: int
    subscriber_id: int | None
    session_id: int
    usage: Usage


@dataclass(slots=True)
class Batch:
    """One transaction.  A session may appear twice: when it was counted, and closed after."""

    groups: list[Folded] = field(default_factory=list)
    records: int = 0
    dead: dict[str, int] = field(default_factory=dict)  # reason -> records
    gigawords: set[int] = field(default_factory=set)  # NASes that were first seen to send some
    restarts: list[Restart] = field(default_factory=list)  # that close more than was closed here
    heard_again: set[int] = field(default_factory=set)  # sessions that had been silent
    unclosed: int = 0  # groups that a mark should have closed, and could not
    doubted: set[int] = field(default_factory=set)  # sessions of those, marked only now
    stood_in: bool = False  # an observer failed, and all of them work out anew what is here

    def sessions(self) -> Iterator[SessionNow]:
        """What changed.  Worked out when asked: most who look at a batch ask once or never."""
        for folded in self.groups:
            for number, generation in folded.changed.items():
                yield SessionNow(
                    folded.session_ids[number],
                    folded.key,
                    folded.subscribers[number] or None,
                    generation,
                    folded.group.about(generation),
                    number >= folded.known,
                )

    def gone(self) -> Iterator[int]:
        """Sessions that turned out to be part of another."""
        for folded in self.groups:
            for number in folded.gone:
                yield folded.session_ids[number]

    def usage(self) -> Iterator[UsageRow]:
        """What was added."""
        for folded in self.groups:
            for usage in folded.rows():
                number = usage.generation
                yield UsageRow(
                    folded.key.tenant_id,
                    folded.subscribers[number] or None,
                    folded.session_ids[number],
                    usage,
                )


Observer = Callable[[Tx, Batch], Awaitable[None]]
Published = Callable[[Batch], Awaitable[None]]


class Claim(NamedTuple):
    """What a session says about whose it is."""

    tenant_id: int
    subscriber_id: int  # from our Class; 0: it says none
    username: str  # escaped text


Owners = Callable[[Tx, Collection[Claim]], Awaitable[Mapping[Claim, int]]]
"""Finds the subscribers that claims mean; what nobody claims rightly is left out."""


async def nobody(tx: Tx, claims: Collection[Claim]) -> Mapping[Claim, int]:
    """No session is anybody's: for a node that counts and knows no subscribers."""
    del tx, claims
    return {}


Observers = Sequence[Observer]
