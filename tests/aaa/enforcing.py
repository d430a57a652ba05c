"""Enforcement as the jobs process runs it, on a real database, with a NAS on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from aaa.directory import Directory
from aaa.enforcement_judge import Judge, _told
from aaa.enforcement_pass import Pass
from aaa.enforcement_print import print_of
from aaa.enforcement_rows import Rows
from aaa.enforcement_sender import Sender
from aaa.enforcement_view import View
from aaa.rendering import Renderer
from core.clock import Clock
from core.db import Database, NodeDatabase
from core.radius.exchange import RetryPolicy
from core.secret import Secret, Vault
from nas_adapters.coa import CoaClient
from nas_adapters.profile import ServiceProfile
from nas_adapters.secrets import seal_secret
from tests.aaa.replica import DICTIONARY, Isp, Replica, environment_at, isp, replica
from tests.core.jobbing import until
from tests.nas_adapters import asked
from tests.nas_adapters.asked import SECRET

QUICK = RetryPolicy(irt_s=0.05, mrt_s=0.2, mrd_s=0.5)
GARDEN = ServiceProfile(download_bps=1_000_000, upload_bps=1_000_000, filter_id="garden")
FAST = ServiceProfile(download_bps=50_000_000, upload_bps=20_000_000)


class Chance:
    """Not random: what is sealed here stays in the test."""

    def __call__(self, size: int) -> bytes:
        return bytes(range(size % 256))[:size].ljust(size, b"x")


@dataclass(slots=True)
class Enforcing:
    """The parts, and the tenant they work on."""

    isp: Isp
    replica: Replica
    judge: Judge
    whole: Pass
    sender: Sender
    rows: Rows
    node: NodeDatabase
    app: Database
    vault: Vault
    numbers: Iterable[int] = field(default_factory=lambda: iter(range(1, 10_000_000)))

    @property
    def sql(self) -> asyncpg.Connection:
        return self.isp.sql

    async def plan(self, code: str = "home", *, download: int = 50_000_000, **more: object) -> int:
        columns = {"download_bps": download, "upload_bps": 20_000_000, **more}
        names = ", ".join(columns)
        values = ", ".join(f"${number}" for number in range(3, 3 + len(columns)))
        number: int = await self.sql.fetchval(
            f"INSERT INTO profile (tenant_id, code, {names})"
            f" VALUES ($1, $2, {values}) RETURNING id",
            self.isp.tenant_id,
            code,
            *columns.values(),
        )
        return number

    async def nas(
        self, port: int, name: str = "bras-1", vendor: str = "mikrotik", host: str = "127.0.0.1"
    ) -> int:
        number: int = await self.sql.fetchval(
            "INSERT INTO nas (tenant_id, name, address, secret_sealed, vendor, coa_port)"
            " VALUES ($1, $2, $3::text::cidr, 'x', $4, $5) RETURNING id",
            self.isp.tenant_id,
            name,
            f"{host}/32",
            vendor,
            port,
        )
        sealed = seal_secret(self.vault, self.isp.tenant_id, number, Secret(SECRET))
        await self.sql.execute("UPDATE nas SET secret_sealed = $2 WHERE id = $1", number, sealed)
        return number

    async def session(
        self,
        subscriber_id: int | None,
        nas_id: int,
        given: ServiceProfile | None = FAST,
        service: str = "plan",
    ) -> int:
        """An open one, as ingest writes it; `given` None: its NAS returns no Class."""
        at = next(iter(self.numbers))
        nonce = "" if given is None else f"{at:010x}{print_of(given, service)}"
        number: int = await self.sql.fetchval(
            "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
            " generation, subscriber_id, username, calling_station, mac, circuit_id,"
            " nas_identifier, nas_address, nas_port_id, multi_session_id, framed_ip, started_at,"
            " last_seen_at, terminate_cause, closed_by, session_time_s, input_octets,"
            " output_octets, confidence) SELECT $1, $2, '', $3, $4, 0, $5, 'alice', 'station-a',"
            " '', '', 'bras', '127.0.0.1', '', '', '100.64.0.1', now(), now(), 0, '', 0, 0, 0, 0"
            " RETURNING id",
            self.isp.tenant_id,
            nas_id,
            f"8120{at:04x}",
            nonce,
            subscriber_id,
        )
        return number

    async def note(self, subscriber_id: int) -> None:
        """That his sessions changed, as ingest does for those whose plan counts them."""
        await self.sql.execute(
            "INSERT INTO change (tenant_id, kind, entity_id) VALUES ($1, 'subscriber', $2)",
            self.isp.tenant_id,
            subscriber_id,
        )

    async def is_current(self, subscriber_id: int) -> None:
        """Wait until the directory has what was written of him."""

        async def has() -> bool:
            fresh = (await self.judge._fresh([subscriber_id])).get(subscriber_id)
            with self.judge._view.turn():
                return _told(self.judge._view.subscriber(subscriber_id)) == _told(fresh)

        await until(has)

    async def stops(self, session_id: int) -> None:
        await self.sql.execute("UPDATE session SET stopped_at = now() WHERE id = $1", session_id)

    async def reports(self, session_id: int, after_s: float, output_octets: int = 0) -> None:
        """As many seconds after what it reported last."""
        await self.sql.execute(
            "UPDATE session SET last_seen_at = last_seen_at + $2 * interval '1 s',"
            " output_octets = output_octets + $3 WHERE id = $1",
            session_id,
            after_s,
            output_octets,
        )

    async def hold(self, subscriber_id: int, effect: str = "reject") -> None:
        await self.sql.execute(
            "INSERT INTO hold (tenant_id, subscriber_id, source, effect)"
            " VALUES ($1, $2, 'staff', $3)",
            self.isp.tenant_id,
            subscriber_id,
            effect,
        )

    async def lift(self, subscriber_id: int) -> None:
        await self.sql.execute("DELETE FROM hold WHERE subscriber_id = $1", subscriber_id)

    async def row(self, session_id: int) -> dict[str, Any] | None:
        row = await self.sql.fetchrow("SELECT * FROM enforcement WHERE session_id = $1", session_id)
        return None if row is None else dict(row)

    async def becomes(self, session_id: int, state: str, within_s: float = 5.0) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def has() -> bool:
            found.update(await self.row(session_id) or {})
            return found.get("state") == state

        await until(has, within_s)
        return found


@asynccontextmanager
async def enforcing(url: str, directory: Path, *, per_s: float = 150.0) -> AsyncIterator[Enforcing]:
    """A running replicator and a sender that sends."""
    environment = environment_at(directory / "directory")
    node, app = NodeDatabase(url, connections_max=5), Database(url)
    vault = Vault(bytes(32), Chance())
    async with isp(url) as owner, replica(url, environment) as current:
        rows = Rows(node)
        view = View(Directory(environment), Renderer(DICTIONARY, GARDEN))
        judge = Judge(rows, view, node, DICTIONARY, Clock())
        one = Enforcing(
            owner,
            current,
            judge,
            Pass(rows, judge, view, Clock()),
            Sender(rows, node, app, vault, Clock(), judge.woken, per_s=per_s, in_flight=8),
            rows,
            node,
            app,
            vault,
        )
        stop = asyncio.Event()
        sending, judging = (
            asyncio.create_task(send(one.sender, stop)),
            asyncio.create_task(judge.run()),
        )
        try:
            yield one
        finally:
            stop.set()
            await sending
            judging.cancel()
            await node.dispose()
            await app.dispose()


async def send(sender: Sender, stop: asyncio.Event) -> None:
    async with CoaClient(DICTIONARY, Clock(), policy=QUICK) as client:
        await sender.run(client, stop)


def codes(nas: asked.Nas) -> list[int]:
    return [one.code for one in nas.asked]
