"""A group of sessions before a batch and after it, for those who write it and who look at it.

Knows no rules: `folding` has them.
"""

from collections.abc import Iterator, Mapping, Set
from struct import Struct
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from accounting.generations import Generation
from accounting.groups import Group
from accounting.hot import NEW, Hot
from accounting.identity import SessionKey
from accounting.usage import Usage

_session = Struct(">qq")
NO_CHUNKS: Final[Mapping[int, bytes]] = MappingProxyType({})


Version = tuple[tuple[int, int], int]
"""Where PostgreSQL has a row, and which transaction wrote it: whoever changes it changes both."""


class Stored(NamedTuple):
    """A group as it lies in the database; a new one has nothing yet."""

    state: bytes = b""
    abouts: bytes = b""
    sessions: bytes = b""
    version: Version | None = None  # None: it is locked


class Folded(msgspec.Struct, gc=False):
    """One group after the batch.  `name` is what it is stored under.

    A struct, and with sets that are shared while they are empty: a batch makes thousands.
    """

    name: bytes
    key: SessionKey
    group: Group
    session_ids: list[int]  # by generation
    subscribers: list[int]  # by generation; 0: nobody's, as far as we know
    is_new: bool
    known: int  # how many generations were in the database before
    version: Version | None = None  # that must still be there; None: it is locked
    before: Hot = NEW  # the group before it became odd
    changed: dict[int, Generation] = {}
    gone: Set[int] = frozenset()
    reopened: Set[int] = frozenset()  # by now: a close was proved wrong
    usage: dict[tuple[int, int, int], list[int]] = {}
    chunks: Mapping[int, bytes] = NO_CHUNKS
    described: bool = False
    repeated: int = 0  # records that told nothing new
    is_odd: bool = False  # something closed, or was re-opened, or is in doubt

    def sessions(self) -> bytes:
        """For `Stored.sessions`."""
        return b"".join(map(_session.pack, self.session_ids, self.subscribers))

    def claims(self) -> list[int]:
        """The generations that are nobody's, and may be somebody's by what was told of them."""
        if not self.described and self.known == len(self.session_ids):
            return []
        return [
            number
            for number in self.changed
            if not self.subscribers[number] and (self.described or number >= self.known)
        ]

    def rows(self) -> Iterator[Usage]:
        """The usage to append, summed: within a transaction one row says it all."""
        for (generation, begins_s, confidence), amounts in self.usage.items():
            if any(amounts):
                yield Usage(generation, begins_s, confidence, *amounts)


def session_pairs(octets: bytes) -> list[tuple[int, int]]:
    """Session and subscriber of each generation, from what `Folded.sessions` made."""
    return list(_session.iter_unpack(octets))
