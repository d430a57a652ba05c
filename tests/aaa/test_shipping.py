"""Decisions reach the database once each, whatever is killed, shipped again or half-written."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from aaa.decision_log import PastDecision, recent
from aaa.decisions import DecisionLog, DecisionRecord, encode
from aaa.shipping import ABANDONED_S, OCTETS_PER_PASS_MAX, DecisionShipper
from core import tenancy
from core.clock import Clock
from core.db import Database, NodeDatabase

NOW = Clock().unix_s()


class Site:
    """A worker's log, the shipper of the node, and what staff see."""

    def __init__(self, url: str, root: Path) -> None:
        self.root = root
        self.node = NodeDatabase(url)
        self.panel = Database(url)
        self.shipper = self.another_shipper()
        self.tenant_id = 0

    def another_shipper(self, keep_days: int = 30) -> DecisionShipper:
        return DecisionShipper(self.root, self.node, Clock(), keep_days=keep_days)

    def log(self, worker: int = 0) -> DecisionLog:
        return DecisionLog(self.root / str(worker), rate_max=10**6, file_octets_max=1 << 24)

    def record(self, name: str = "alice", *, at: float = NOW) -> DecisionRecord:
        return DecisionRecord(
            at, self.tenant_id, 2, "bras-1", name, "02:00", "accept", "", "pap", 3,
            [("known", "subscriber found", "ok")],
        )  # fmt: skip

    def files(self) -> list[Path]:
        return list(self.root.glob("*/*.decisions"))

    async def seen(self) -> list[PastDecision]:
        async with self.panel.transaction(self.tenant_id) as tx:
            return await recent(tx, limit=10_000)

    async def names(self) -> list[str]:
        return sorted(decision.username for decision in await self.seen())


@pytest_asyncio.fixture
async def site(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    one = Site(fresh_database_url, tmp_path)
    async with one.panel.lobby() as tx:
        one.tenant_id = await tenancy.find(tx, "demo-isp") or 0
    yield one
    await one.node.dispose()
    await one.panel.dispose()


async def test_what_was_decided_is_told_with_its_trace(site: Site) -> None:
    log = site.log()
    log.add(site.record(r"alice\x00\xff"))
    log.flush()
    await site.shipper.ship()
    (decision,) = await site.seen()
    assert (decision.username, decision.nas_name, decision.outcome) == (
        r"alice\x00\xff",
        "bras-1",
        "accept",
    )
    assert decision.trace == (("known", "subscriber found", "ok"),)
    assert abs(decision.at.timestamp() - NOW) < 0.001
    log.close()


async def test_what_is_shipped_again_is_stored_once(site: Site) -> None:
    """A replicator that was killed after its commit begins at the beginning."""
    log = site.log()
    for name in ("a", "b", "c"):
        log.add(site.record(name))
        log.flush()
        await site.shipper.ship()
        await site.another_shipper().ship()
    assert await site.names() == ["a", "b", "c"]
    assert site.shipper.shipped == 3
    log.close()


async def test_equal_logins_of_two_workers_are_two(site: Site) -> None:
    logs = [site.log(0), site.log(1)]
    for log in logs:
        log.add(site.record())
        log.flush()
        log.close()
    await site.shipper.ship()
    assert await site.names() == ["alice", "alice"]


async def test_a_line_that_is_still_on_its_way_waits_and_is_whole(site: Site) -> None:
    (site.root / "0").mkdir()
    file = site.root / "0" / "abc.decisions"
    octets = encode(site.record("first")) + b"\n" + encode(site.record("second")) + b"\n"
    for end in (10, len(octets) - 5, len(octets) - 1, len(octets)):
        file.write_bytes(octets[:end])
        await site.shipper.ship()
    assert await site.names() == ["first", "second"]


async def test_a_line_that_nobody_understands_costs_itself(site: Site) -> None:
    (site.root / "0").mkdir()
    good = encode(site.record("good")) + b"\n"
    (site.root / "0" / "abc.decisions").write_bytes(good + b'{"torn":\n' + b"\xff\xfe\n" + good)
    await site.shipper.ship()
    assert await site.names() == ["good", "good"]


async def test_a_file_goes_when_all_of_it_is_shipped_and_nobody_writes_to_it(site: Site) -> None:
    log = site.log()
    log.add(site.record())
    log.flush()
    for _ in range(2):
        await site.shipper.ship()
    (file,) = site.files()  # its worker may come back to it
    old = NOW - ABANDONED_S - 1
    os.utime(file, (old, old))
    await site.another_shipper().ship()  # has shipped it in this pass
    assert site.files() == [file]
    await site.shipper.ship()
    assert site.files() == []
    log.add(site.record("bob"))  # and the worker was not told
    log.flush()
    await site.shipper.ship()
    assert await site.names() == ["alice", "bob"]
    log.close()


async def test_a_long_file_takes_several_passes_and_loses_nothing(site: Site) -> None:
    log = site.log()
    count = 2 * OCTETS_PER_PASS_MAX // len(encode(site.record())) + 100
    for number in range(count):
        log.add(site.record(f"user-{number}"))
    log.flush()
    await site.shipper.ship()
    assert 0 < site.shipper.shipped < count
    for _ in range(3):
        await site.shipper.ship()
    assert site.shipper.shipped == count
    async with site.panel.transaction(site.tenant_id) as tx:
        assert len({past.username for past in await recent(tx, limit=10_000)}) == min(count, 10_000)
    log.close()


async def test_a_file_that_its_worker_removed_does_not_stop_the_others(site: Site) -> None:
    logs = [site.log(worker) for worker in range(3)]
    for log in logs:
        log.add(site.record())
        log.flush()
        log.close()
    next(iter(site.files())).unlink()
    await site.shipper.ship()
    assert await site.names() == ["alice", "alice"]


async def test_decisions_are_forgotten_when_their_days_are_over(site: Site) -> None:
    log = site.log()
    for days in (0, 9, 11):
        log.add(site.record(f"{days}-days-ago", at=NOW - timedelta(days=days).total_seconds()))
    log.flush()
    await site.shipper.ship()
    assert len(await site.names()) == 3
    await site.another_shipper(keep_days=10).ship()
    assert await site.names() == ["0-days-ago", "9-days-ago"]
    log.close()
