"""Usage counted against quotas, in the transaction that stores it.

A few statements a batch, whatever its size.  What is kept is a sum of rows in `usage`: one
that is missing, or was made under another rule, is worked out from those rows, which the
batch's own are among; any other takes what the batch adds.  So what would be too much for
one batch to work out is left to the next, and nothing is lost by that.

Around a change of plan, a transaction that knew of no quota may commit usage after a sum was
worked out.  A new sum is therefore worked out once more when none of those can be left.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from aaa import quota_rows as rows
from aaa.quota import NOTHING, Amount
from aaa.quota_jobs import Enforce, leave
from aaa.quota_plans import Member, Plan, Plans
from aaa.quota_rows import Crossing, StoredSum, SumKey
from aaa.quota_state import QUIET, State, Verdict, judge
from aaa.quota_sums import Asked, state, worked_out
from aaa.quota_windows import Window
from accounting.batch import Batch
from accounting.counters import GOOD
from core.clock import Clock
from core.db import Tx, raw

SETTLES_AFTER_S: Final = 300  # longer than a transaction of ingest may take
WORKED_OUT_DAYS_MAX: Final = 3_000  # less than a second's work
_DAY_S: Final = 86_400


@dataclass(slots=True)
class _Count:
    """A subscriber in a batch: what it adds, and what is used with that."""

    member: Member
    current: Sequence[Window]  # whose sums are what is used, oldest first
    added: dict[Window, Amount] = field(default_factory=dict)
    used: dict[Window, Amount] = field(default_factory=dict)
    unsettled: list[Window] = field(default_factory=list)

    def key(self, window: Window) -> SumKey:
        return SumKey(self.member.subscriber_id, window.starts_s)

    def stored(self, window: Window, since_s: int | None) -> StoredSum:
        member = self.member
        return StoredSum(
            member.subscriber_id, *window, member.tenant_id, member.scale.name,
            *self.used[window], since_s,
        )  # fmt: skip

    def wanted(self) -> list[Window]:
        """What is to be worked out."""
        missing = [window for window in self.current if window not in self.used]
        return [*missing, *self.unsettled] if self.unsettled else missing


class QuotaCounting:
    """`observe` is for `Ingest(observers=...)`."""

    def __init__(self, clock: Clock, *, worked_out_days_max: int = WORKED_OUT_DAYS_MAX) -> None:
        """`worked_out_days_max`: how many days of usage a batch reads to work sums out."""
        self._clock = clock
        self._worked_out_days_max = worked_out_days_max
        self._plans = Plans()

    async def observe(self, tx: Tx, batch: Batch) -> None:
        """Count what the batch added; tell logins and leave jobs where that changes something."""
        connection = await raw(tx)
        plans = await self._plans.read(connection)
        if not plans:
            return
        using = {one for folded in batch.groups if folded.usage for one in folded.subscribers}
        await self._count(tx, plans, using - {0}, batch)

    async def anew(self, tx: Tx, subscriber_id: int) -> None:
        """Work out what is used by one whose sums are void, and tell it, as with a record."""
        if plans := await self._plans.read(await raw(tx)):
            await self._count(tx, plans, {subscriber_id}, Batch())

    async def _count(
        self, tx: Tx, plans: Mapping[int, Plan], subscriber_ids: Collection[int], batch: Batch
    ) -> None:
        connection = await raw(tx)
        locked = await rows.lock(connection, subscriber_ids, list(plans))
        if not locked:
            return
        # Once more: who held the locks before us may have known newer plans.
        plans = await self._plans.read(connection)
        members = await self._plans.members(connection, plans, locked)
        now_s = int(self._clock.unix_s())
        counts = {
            each: _Count(member, member.scale.current(now_s)) for each, member in members.items()
        }
        _weigh(batch, counts)
        await _add(connection, counts.values(), now_s, self._worked_out_days_max)
        await _conclude(tx, connection, counts.values(), now_s)


async def leave_uncounted(tx: Tx, batch: Batch) -> None:
    """Stands in for `observe` where that fails: the sums of the batch's subscribers lack what
    it added, so they are worked out from the rows, by `quota_catching_up` or the next batch."""
    using = {one for folded in batch.groups for one in folded.subscribers} - {0}
    if using:
        await rows.void(await raw(tx), using)


def _weigh(batch: Batch, counts: dict[int, _Count]) -> None:
    """Put what the batch adds where it counts."""
    for folded in batch.groups:
        if counts.keys().isdisjoint(folded.subscribers):
            continue
        for generation, begins_s, confidence, *amounts in folded.rows():
            count = counts.get(folded.subscribers[generation])
            if count is None or confidence != GOOD:
                continue
            scale = count.member.scale
            window = scale.place(begins_s).window
            if window is not None:
                held = count.added.get(window, NOTHING)
                count.added[window] = held.plus(scale.weighed(begins_s, *amounts))


async def _add(
    connection: asyncpg.Connection, counts: Collection[_Count], now_s: int, days_max: int
) -> None:
    """Add to the sums that are kept; work out those that are wanted and are not."""
    keyed = {
        count.key(window): (count, window)
        for count in counts
        for window in dict.fromkeys((*count.current, *count.added))
    }
    changed: dict[SumKey, StoredSum] = {}
    for key, (rule, kept, unsettled_s) in (await rows.sums(connection, keyed)).items():
        count, window = keyed[key]
        if rule != count.member.scale.name:
            continue
        added = count.added.get(window)
        if added is None:
            count.used[window] = kept
        else:
            count.used[window] = kept.plus(added)
            changed[key] = count.stored(window, unsettled_s)
        if (
            unsettled_s is not None
            and unsettled_s + SETTLES_AFTER_S <= now_s
            and window in count.current
        ):
            count.unsettled.append(window)
    wanted = list(_affordable(counts, now_s, days_max))
    if wanted:
        await _work_out(connection, wanted, changed, now_s)
    await rows.store(connection, list(changed.values()))


async def _work_out(
    connection: asyncpg.Connection,
    wanted: Sequence[tuple[_Count, Window]],
    changed: dict[SumKey, StoredSum],
    now_s: int,
) -> None:
    found = await worked_out(connection, [_asked(count, window) for count, window in wanted])
    for (count, window), used in zip(wanted, found, strict=True):
        count.used[window] = used
        since_s = None if window in count.unsettled else now_s
        changed[count.key(window)] = count.stored(window, since_s)
    await rows.prune(connection, {count.member.subscriber_id for count, _ in wanted}, now_s)


def _asked(count: _Count, window: Window) -> Asked:
    member = count.member
    return Asked(member.tenant_id, member.subscriber_id, member.scale, window)


def _affordable(
    counts: Iterable[_Count], now_s: int, days_max: int
) -> Iterator[tuple[_Count, Window]]:
    """The sums that this batch works out: of a subscriber all or none, and of one at least."""
    left = days_max
    for count in counts:
        wanted = count.wanted()
        if not wanted:
            continue
        if left <= 0:
            return
        for window in wanted:
            until_s = now_s if window.ends_s is None else min(window.ends_s, now_s)
            left -= max(1, (until_s - window.starts_s) // _DAY_S)
            yield count, window


async def _conclude(
    tx: Tx, connection: asyncpg.Connection, counts: Iterable[_Count], now_s: int
) -> None:
    """Tell logins, write crossings down, and leave the jobs that follow from them."""
    judged: list[tuple[_Count, State, Verdict]] = []
    for count in counts:
        if count.current and len(count.used.keys() & count.current) == len(count.current):
            found, verdict = _judged(count, now_s)
            if verdict is not QUIET:
                judged.append((count, found, verdict))
    await rows.tell(
        connection,
        [
            (count.member.subscriber_id, found._replace(used=found.used.whole()))
            for count, found, verdict in judged
            if verdict.is_to_tell
        ],
    )
    crossings = [
        Crossing(
            count.member.subscriber_id,
            count.member.tenant_id,
            count.current[-1].starts_s,
            threshold,
            count.member.plan.allowance,
        )
        for count, _, verdict in judged
        for threshold in verdict.crossed
    ]
    fresh = await rows.cross(connection, crossings, now_s)
    jobs = [
        Enforce(one.tenant_id, one.subscriber_id, one.threshold)
        for one in crossings
        if (one.subscriber_id, one.threshold) in fresh
    ]
    jobs += [
        Enforce(count.member.tenant_id, count.member.subscriber_id, None, found.window.ends_s)
        for count, found, verdict in judged
        if verdict.ends_anew and count.member.plan.at_quota != "nothing"
    ]
    if jobs:
        await leave(tx, jobs)


def _judged(count: _Count, now_s: int) -> tuple[State, Verdict]:
    plan, scale = count.member.plan, count.member.scale
    by_window = [count.used[window] for window in count.current]
    found = state(scale, plan.allowance, by_window, now_s)
    floor = NOTHING if len(by_window) == 1 else found.used.minus(by_window[-1])
    return found, judge(count.member.told, found, plan.thresholds, now_s, floor=floor)
