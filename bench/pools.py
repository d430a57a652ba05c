"""What an address costs, and whether anybody gets one twice while processes are killed.

    python -m bench.pools

Several processes a node take addresses out of the node's store, as login workers do, while each
node's keeper brings blocks from a real PostgreSQL.  First undisturbed, for the time it takes;
then with workers and keepers killed in the middle of it (fault P14).
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_network
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep, time

import asyncpg

from aaa.pools_keeper import PoolKeeper
from aaa.pools_plan import IPV4, PoolSpec, block_length_of, network_of
from aaa.pools_store import AddressStore, NoAddress
from core import tenancy
from core.clock import Clock
from core.db import Database, NodeDatabase, connect
from core.migrations import runner
from core.postgres import Cluster

NETWORK = "100.64.0.0/18"  # 16,384
LOGINS = 10_000
KEEP_EVERY_S = 0.1
PATIENCE_S = 60.0
_spawn = get_context("spawn")


@dataclass(frozen=True, slots=True)
class Storm:
    """What became of it."""

    seconds: float  # from the first login to the last
    given: int  # logins that were told an address
    duplicates: int  # addresses that were told to two subscribers
    kills: int
    leaked: int  # leased, and told to nobody: their worker was killed first
    leased: int


@dataclass(slots=True)
class _Slot:
    """One worker's share of the logins; whoever is killed has a successor."""

    number: int
    path: Path
    log: Path
    process: BaseProcess | None = None
    lives: int = 0
    next_kill: int = 0

    def told(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


def giver(path: Path, pool_id: int, first: int, count: int, log: Path, pause_s: float) -> None:
    """A worker: so many logins, each of somebody else; what was told is written down."""
    store = AddressStore(path)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    deadline = monotonic() + PATIENCE_S
    for subscriber in range(first, first + count):
        while True:
            try:
                [given] = store.lease([pool_id], subscriber, b"d", b"%016x" % subscriber, time())
                break
            except NoAddress:
                if monotonic() > deadline:
                    raise
                sleep(0.01)  # the keeper brings more
        address = network_of(given.packed, given.prefix_length)
        if pause_s:
            sleep(pause_s)  # whoever is killed here has given what nobody was told of
        os.write(descriptor, f"{subscriber} {address} {monotonic()}\n".encode())
    os.close(descriptor)
    store.close()


def keeper(url: str, node: str, path: Path) -> None:
    """A node's keeper, until it is killed."""

    async def run() -> None:
        one = PoolKeeper(node, AddressStore(path), NodeDatabase(url), Clock())
        while True:
            await one.keep()
            await asyncio.sleep(KEEP_EVERY_S)

    asyncio.run(run())


def storm(
    url: str,
    root: Path,
    pool_id: int,
    *,
    logins: int = LOGINS,
    nodes: int = 2,
    workers: int = 2,
    kills: int = 0,
    seed: int = 1,
) -> Storm:
    """Have so many logins; of the processes, kill so many in the middle of it."""
    chance = random.Random(seed)
    share = logins // (nodes * workers)
    pause_s = 0.0005 if kills else 0.0
    slots = [
        _Slot(number, root / f"node-{number % nodes}", root / f"told-{number}")
        for number in range(nodes * workers)
    ]
    keepers = {
        f"node-{number}": _started(keeper, url, f"node-{number}", root / f"node-{number}")
        for number in range(nodes)
    }
    killed = 0
    deadline = monotonic() + 4 * PATIENCE_S
    try:
        while monotonic() < deadline:
            busy = False
            for slot in slots:
                told = slot.told()
                process = slot.process
                if process is None or (not process.is_alive() and told < share):
                    slot.lives += 1
                    slot.next_kill = told + chance.randrange(1, max(2, logins // (kills + 1)))
                    first = (slot.number * 1_000 + slot.lives) * 100_000
                    slot.process = _started(
                        giver, slot.path, pool_id, first, share - told, slot.log, pause_s
                    )
                elif process.is_alive() and killed < kills and told >= slot.next_kill:
                    _kill(process)
                    killed += 1
                    if killed % 5 == 0:
                        name = chance.choice(sorted(keepers))
                        _kill(keepers[name])
                        killed += 1
                        keepers[name] = _started(keeper, url, name, root / name)
                busy = busy or slot.process is None or slot.process.is_alive() or told < share
            if not busy:
                break
            sleep(0.002)
    finally:
        for process in (*keepers.values(), *(slot.process for slot in slots if slot.process)):
            _kill(process)
    return _counted(slots, root, nodes, killed)


def _counted(slots: list[_Slot], root: Path, nodes: int, killed: int) -> Storm:
    lines = [line.split() for slot in slots for line in slot.log.read_text().splitlines()]
    owners = Counter(address for _, address, _ in lines)
    times = [float(at) for _, _, at in lines]
    leased = 0
    for number in range(nodes):
        store = AddressStore(root / f"node-{number}")
        leased += sum(count.leased for count in store.counts().values())
        store.close()
    return Storm(
        max(times) - min(times),
        len(lines),
        sum(1 for count in owners.values() if count > 1),
        killed,
        leased - len(owners),
        leased,
    )


def _started(work: object, *arguments: object) -> BaseProcess:
    process = _spawn.Process(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def _kill(process: BaseProcess) -> None:
    assert process.pid is not None
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


async def make_pool(sql: asyncpg.Connection, tenant_id: int, *, lease_s: int = 3600) -> int:
    """A pool of 16,384, which a plan names."""
    spec = PoolSpec("storm", IPV4, (ip_network(NETWORK),))
    pool_id: int = await sql.fetchval(
        "INSERT INTO pool (tenant_id, name, kind, prefix_length, block_length, lease_s, hold_s)"
        " VALUES ($1, 'storm', 'ipv4', 32, $2, $3, 3600) RETURNING id",
        *(tenant_id, block_length_of(spec), lease_s),
    )
    await sql.execute(
        "INSERT INTO pool_network (pool_id, tenant_id, network) VALUES ($1, $2, $3::text::cidr)",
        *(pool_id, tenant_id, NETWORK),
    )
    await sql.execute(
        "INSERT INTO profile (tenant_id, code, ipv4_pool_id) VALUES ($1, 'storm', $2)",
        *(tenant_id, pool_id),
    )
    return pool_id


async def _prepared(url: str) -> int:
    await runner.upgrade(url)
    database = Database(url)
    async with database.lobby() as tx:
        tenant_id = await tenancy.found(tx, "bench", "bench")
    await database.dispose()
    sql = await connect(url, None)
    try:
        return await make_pool(sql, tenant_id)
    finally:
        await sql.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Addresses: their cost, and none given twice.")
    parser.add_argument("--logins", type=int, default=LOGINS)
    parser.add_argument("--kills", type=int, default=30)
    arguments = parser.parse_args()
    print("| nodes x workers | kills | told | s | us each | duplicates | leaked |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for nodes, workers, kills in ((1, 1, 0), (2, 2, 0), (2, 2, arguments.kills)):
        directory = Path(tempfile.mkdtemp(prefix="turnpike-bench-"))
        directory.chmod(0o711)  # PostgreSQL runs as another user
        cluster = Cluster(directory / "postgres", durable=False)
        try:
            (directory / "stores").mkdir()
            url = cluster.start()
            pool_id = asyncio.run(_prepared(url))
            found = storm(
                *(url, directory / "stores", pool_id),
                logins=arguments.logins,
                nodes=nodes,
                workers=workers,
                kills=kills,
            )
        finally:
            cluster.stop()
            shutil.rmtree(directory)
        each = 1e6 * found.seconds * nodes * workers / found.given
        print(
            f"| {nodes} x {workers} | {found.kills} | {found.given:,} | {found.seconds:.2f} |"
            f" {each:.0f} | {found.duplicates} | {found.leaked} |"
        )


if __name__ == "__main__":
    main()
