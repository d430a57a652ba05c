"""A subscriber's quota for people: worked out from usage, as it is this moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from aaa.models import QuotaCrossing
from aaa.quota import NOTHING, Allowance, Amount, percent_used, total
from aaa.quota_plans import Plan, Plans
from aaa.quota_sums import Asked, state, worked_out
from core.db import Tx, raw


@dataclass(frozen=True, slots=True)
class Report:
    """What is used of a quota in the window of now; amounts are whole octets and seconds."""

    plan: Plan
    starts_at: datetime | None  # None: his quota has not begun
    ends_at: datetime | None  # None: never
    used: Amount
    percent: int
    in_doubt: Amount  # and so not among what is used
    crossed: tuple[int, ...]

    def left(self) -> Allowance:
        """What remains of each; None where there is no limit."""
        octets, time_s = self.plan.allowance
        return Allowance(
            None if octets is None else max(0, octets - self.used.octets),
            None if time_s is None else max(0, time_s - self.used.time_s),
        )


async def of_subscriber(tx: Tx, subscriber_id: int, now_s: int) -> Report | None:
    """None if his plan has no quota, or he has none.  Works in the tenant."""
    connection = await raw(tx)
    plans = Plans()
    known = await plans.read(connection)
    member = (await plans.members(connection, known, [subscriber_id])).get(subscriber_id)
    if member is None:
        return None
    plan, scale = member.plan, member.scale
    windows = scale.current(now_s)
    if not windows:
        return Report(plan, None, None, NOTHING, 0, NOTHING, ())
    asked = [Asked(member.tenant_id, subscriber_id, scale, window) for window in windows]
    found = state(scale, plan.allowance, await worked_out(connection, asked), now_s)
    in_doubt = total(await worked_out(connection, asked, sure=False))
    crossed = await tx.scalars(
        select(QuotaCrossing.threshold)
        .where(
            QuotaCrossing.subscriber_id == subscriber_id,
            QuotaCrossing.window_starts_at >= _moment(windows[0].starts_s),
            QuotaCrossing.window_starts_at <= _moment(windows[-1].starts_s),
        )
        .distinct()
        .order_by(QuotaCrossing.threshold)
    )
    starts_s, ends_s = found.window
    return Report(
        plan,
        _moment(starts_s),
        None if ends_s is None else _moment(ends_s),
        found.used.whole(),
        percent_used(found.used, plan.allowance),
        in_doubt.whole(),
        tuple(crossed),
    )


def _moment(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
