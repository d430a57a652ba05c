"""Looks after the sessions of subscribers: what is to be sent is left in the outbox.

For a change somebody made it waits until this node's directory has it, for a session that is
ended before would be let in again as it was.  That is seen by comparing the records, not
positions: a long transaction elsewhere holds a position back, and no record.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from msgspec.structs import replace as replaced

from aaa import rows as tables
from aaa.enforcement import OFF, STAFF, Live, Next, State, compare
from aaa.enforcement_ladder import UNKNOWN, first_rung
from aaa.enforcement_rows import Rows, Wish
from aaa.enforcement_view import Entitled, View
from aaa.records import ProfileRecord, SubscriberRecord
from core.clock import Clock
from core.db import NodeDatabase, raw
from dictionaries.definitions import Dictionary
from nas_adapters.profile import ServiceProfile

log = structlog.get_logger()

DIRECTORY_WITHIN_S: Final = 5.0
LOOK_S: Final = 0.05
GATHER_S: Final = 0.01  # many are suspended together
AT_ONCE: Final = 100  # sessions in one turn: a few milliseconds
PAGE: Final = 1_000


class DirectoryBehind(TimeoutError):
    """This node's directory has not got a change in time; the job is tried again."""


@dataclass(slots=True)
class _Asked:
    """Somebody whom jobs wait for."""

    until: float
    futures: list[asyncio.Future[int]]

    def tell(self, differing: int) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(differing)

    def fail(self, error: Exception) -> None:
        for future in self.futures:
            if not future.done():
                future.set_exception(error)


class Judge:
    """`woken` is called when there is something new to send."""

    def __init__(
        self, rows: Rows, view: View, node: NodeDatabase, dictionary: Dictionary, clock: Clock
    ) -> None:
        self.woken = asyncio.Event()
        self._rows = rows
        self._view = view
        self._node = node
        self._dictionary = dictionary
        self._clock = clock
        self._asked = asyncio.Event()
        self._waiting: dict[int, _Asked] = {}
        self._again: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Look after those that `subscriber` was called for; until cancelled."""
        while True:
            await self._asked.wait()
            await asyncio.sleep(GATHER_S)
            self._asked.clear()
            asked, self._waiting = self._waiting, {}
            try:
                await self._look_after(asked)
            except Exception as error:  # noqa: BLE001 - told to the jobs that asked, whatever it is
                for one in asked.values():
                    one.fail(error)

    async def subscriber(self, number: int) -> int:
        """Look after one, whose change may just have been made; how many sessions differ.

        Those that are asked for together are looked after together.

        Raises:
            DirectoryBehind: this node does not know of it yet.
        """
        future = asyncio.get_running_loop().create_future()
        until = self._clock.monotonic() + DIRECTORY_WITHIN_S
        self._waiting.setdefault(number, _Asked(until, [])).futures.append(future)
        self._asked.set()
        differing: int = await future
        return differing

    async def subscribers(self, numbers: Sequence[int]) -> int:
        """Look after those for whom no record changed, but the time."""
        if not numbers:
            return 0
        return len(await self.sessions(await self._rows.of_subscribers(numbers)))

    async def profile(self, tenant_id: int, number: int) -> int:
        """Look after all who have this plan, which was changed."""
        deadline = self._clock.monotonic() + DIRECTORY_WITHIN_S
        # Old, it may have the plan already and still lack what became of those who have it.
        while not (self._view.is_trusted(self._clock.unix_s()) and await self._has_profile(number)):
            if self._clock.monotonic() > deadline:
                raise DirectoryBehind(f"the directory of this node has an old plan {number}")
            await asyncio.sleep(LOOK_S)
        differing = after = 0
        while page := await self._rows.of_profile(tenant_id, number, after, PAGE):
            differing += len(await self.sessions(page))
            after = page[-1].id
        return differing

    async def disconnect(self, tenant_id: int, session_id: int) -> bool:
        """End it because people want so; whether there is such a session."""
        session = await self._rows.one(tenant_id, session_id)
        if session is None:
            return False
        await self._rows.wish([Wish(session, OFF, OFF, STAFF, None, None, first_rung(OFF))])
        self.woken.set()
        return True

    async def reapply(self, tenant_id: int, session_id: int) -> bool:
        """Tell it all that it is to have, whatever it is thought to have; as above."""
        session = await self._rows.one(tenant_id, session_id)
        if session is None:
            return False
        if not session.subscriber_id:
            return True
        await self.subscriber(session.subscriber_id)  # and so the directory has him
        with self._view.turn():
            entitled = self._view.entitled(session, int(self._clock.unix_s()))
        if entitled is not None:
            await self._rows.wish([_wish(session, entitled, None)], forgets=True)
            self.woken.set()
        return True

    async def sessions(
        self, sessions: Sequence[Live], *, is_pass: bool = False, are_new: bool = False
    ) -> list[Live]:
        """Compare them, and store what follows; those that differ from what they should have.

        Nobody made a change that the pass looks for; and what a new session was given a moment
        ago is taken to be right where its Class does not say it.
        """
        wishes: list[Wish] = []
        cancelled: list[Wish] = []
        undone: list[Wish] = []
        nobodys: list[Wish] = []
        for start in range(0, len(sessions), AT_ONCE):
            now_s = int(self._clock.unix_s())
            with self._view.turn():
                for session in sessions[start : start + AT_ONCE]:
                    if not session.subscriber_id or not self._view.knows_nas(session.nas_id):
                        continue
                    entitled = self._view.entitled(session, now_s)
                    if entitled is None:
                        continue
                    if are_new and not session.applied and entitled.service != OFF:
                        continue
                    verdict = compare(session, entitled.wanted)
                    if verdict is Next.NOTHING:
                        continue
                    given = self._view.given(session, session.applied)
                    wish = _wish(session, entitled, given, is_pass=is_pass)
                    if verdict is Next.CANCEL:
                        cancelled.append(wish)
                    elif verdict is Next.UNDO:
                        undone.append(replace(wish, reason=UNKNOWN))  # no ground to end it
                    else:
                        (nobodys if entitled.is_of_nobody else wishes).append(wish)
            await asyncio.sleep(0)
        if nobodys:
            # A directory that lacks somebody is no reason to end his session; the database is.
            there = await self._rows.still_there([one.session.subscriber_id for one in nobodys])
            wishes += [one for one in nobodys if one.session.subscriber_id not in there]
        await self._rows.wish(wishes)
        await self._rows.wish(cancelled, state=State.DONE)
        await self._rows.wish(undone, undoes=True)
        if wishes or undone:
            self.woken.set()
        return [one.session for one in (*wishes, *undone)]

    async def _look_after(self, asked: dict[int, _Asked]) -> None:
        fresh = await self._fresh(list(asked))
        with self._view.turn():
            current = [
                number
                for number in asked
                if _told(self._view.subscriber(number)) == _told(fresh.get(number))
            ]
        differing: dict[int, int] = {}
        if current:
            sessions = await self._rows.of_subscribers(current)
            for session in await self.sessions(sessions):
                differing[session.subscriber_id] = differing.get(session.subscriber_id, 0) + 1
        now = self._clock.monotonic()
        for number, one in asked.items():
            if number in current:
                one.tell(differing.get(number, 0))
            elif now > one.until:
                one.fail(DirectoryBehind(f"the directory of this node has an old {number}"))
            else:
                self._waiting.setdefault(number, _Asked(one.until, [])).futures += one.futures
        if self._again is not None:
            self._again.cancel()
        if not self._waiting:
            return
        # For a directory that is behind; whoever else asks waits for nobody.
        self._again = asyncio.get_running_loop().call_later(LOOK_S, self._asked.set)

    async def _fresh(self, numbers: list[int]) -> dict[int, SubscriberRecord]:
        async with self._node.transaction() as tx:
            found = await (await raw(tx)).fetch(tables.SUBSCRIBERS_BY_ID, numbers)
        return {row["id"]: tables.subscriber_of(row, self._dictionary) for row in found}

    async def _has_profile(self, number: int) -> bool:
        async with self._node.transaction() as tx:
            found = await (await raw(tx)).fetch(tables.PROFILES)
        fresh: ProfileRecord | None = next(
            (tables.profile_of(row) for row in found if row["id"] == number), None
        )
        with self._view.turn():
            return self._view.profile(number) == fresh


def _wish(
    session: Live, entitled: Entitled, given: ServiceProfile | None, *, is_pass: bool = False
) -> Wish:
    reason = entitled.reason
    if is_pass and not session.applied and entitled.service != OFF:
        reason = UNKNOWN
    return Wish(
        session,
        entitled.wanted,
        entitled.service,
        reason,
        entitled.profile,
        given,
        first_rung(entitled.service),
    )


def _told(record: SubscriberRecord | None) -> tuple[object, ...]:
    """What a change changes: when his sessions were last heard of is none."""
    if record is None:
        return ()
    return replaced(record, sessions=()), [one.id for one in record.sessions]
