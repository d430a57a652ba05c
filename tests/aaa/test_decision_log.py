from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from aaa import decision_log
from aaa.models import Decision
from core.db import Database, NodeDatabase, enter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_the_latest_decisions_come_first(fresh_database_url: str) -> None:
    node, app = NodeDatabase(fresh_database_url), Database(fresh_database_url)
    rows = [
        {
            "tenant_id": tenant,
            "decision_uid": f"{tenant}-{n}",
            "at": NOON + timedelta(seconds=n),
            "username": "alice" if n % 2 else "bob",
            "outcome": "reject",
            "reason": "suspended",
            "trace": [["known", "subscriber found", "ok"], ["not_held", "holds=staff", "no"]],
        }
        for tenant in (1, 2)
        for n in range(4)
    ]
    try:
        async with node.transaction() as tx:
            await tx.execute(insert(Decision), rows)
        async with app.lobby() as tx:
            await enter(tx, 1)
            latest = await decision_log.recent(tx, limit=3)
            of_alice = await decision_log.recent(tx, "alice")
            older = await decision_log.recent(tx, "alice", before=of_alice[0].id)
    finally:
        await node.dispose()
        await app.dispose()
    assert [decision.at - NOON for decision in latest] == [timedelta(seconds=n) for n in (3, 2, 1)]
    assert [decision.at - NOON for decision in of_alice] == [timedelta(seconds=n) for n in (3, 1)]
    assert older == of_alice[1:]
    assert latest[0].trace[1] == ("not_held", "holds=staff", "no")
