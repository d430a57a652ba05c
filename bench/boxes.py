"""How soon boxes do what was decided, by whole processes: many ends, one end, one throttle.

    python -m bench.boxes --append

A simulated NAS, in this process, answers 5 ms after it was asked.  Measured are

* 1,000 suspensions committed at once, until the last session has ended, and what logins at
  another NAS take meanwhile against what they take when nothing else happens;
* `turnpike subscriber suspend`, from the start of the command and from the moment that the
  hold bears, until the Disconnect-ACK;
* an Interim that crosses a quota, from when it is sent until the CoA is acknowledged.

With --append the section goes to the end of bench/RESULTS.md.  Ends with status 1 if a bound
was missed.  What a lot of sessions costs to compare is `bench.enforcement`'s.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import asyncpg
import uvloop

from aaa import holds
from app.simulator import mikrotik
from app.simulator.events import INTERIM, Happened, What
from app.simulator.faults import Faults
from app.simulator.personality import Box
from app.simulator.scenario import station
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from bench import packets, radload, report
from bench.measure import Sample, visit
from bench.population import PLAN, SECRET
from bench.processes import Failed
from bench.turnpike import Turnpike, installation
from core.db import Database, connect
from core.radius.types import COA_REQUEST, DISCONNECT_REQUEST

RESULTS = Path(__file__).parent / "RESULTS.md"
PASSWORD = "of-nobody"
ADDRESS, COA_PORT = "127.0.1.1", 3799  # beside the NASes that `installation` knows
ALLOWED_STORM_S, ALLOWED_P99, ALLOWED_END_S, ALLOWED_THROTTLE_S = 10.0, 1.5, 1.0, 2.0
DIALS_AT_ONCE = 50
PATIENCE_S = 120.0
LEAD_S = 0.5  # of logins before the storm
# An octet at night counts half, so that the box is not told where to end by itself.
QUOTA = {
    "code": "metered",
    "download": "50M",
    "upload": "20M",
    "quota": "100MB",
    "fup": {"download": "1M", "upload": "1M"},
    "zones": [{"from": "00:00", "to": "06:00", "weight": 0.5}],
}
CROSSES_OCTETS = 300_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of everything."""

    sessions: int
    samples: int
    repetitions: int
    logins_per_s: int
    logins_s: float
    subscribers: int = 2_000  # who log in meanwhile


@dataclass(frozen=True, slots=True)
class Storm:
    """One of the rounds."""

    seconds: float  # from the commit to the last end
    disconnects: int  # copies too
    calm: Sample
    during: Sample

    @property
    def ratio(self) -> float:
        return self.during.outcome.p99_us / self.calm.outcome.p99_us


@dataclass(frozen=True, slots=True)
class End:
    """Seconds of one suspension."""

    of_command: float  # from its start
    of_hold: float  # from when its hold bears


class House:
    """A serving Turnpike, and a NAS whose every doing is noted with its time."""

    def __init__(self, turnpike: Turnpike, sim: Simulation, sql: asyncpg.Connection) -> None:
        self.turnpike = turnpike
        self.sim = sim
        self.sql = sql
        self.nas: SimulatedNas
        self.asked: list[tuple[float, int]] = []  # when a request was acknowledged, and which

    def note(self, nas: SimulatedNas, happened: Happened) -> None:
        del nas
        if happened.what is What.ACKED:
            self.asked.append((time.time(), happened.code))

    async def dial(self, names: Sequence[str]) -> list[Session]:
        """All of them online, and in the books."""
        sessions: list[Session] = []
        for at in range(0, len(names), DIALS_AT_ONCE):
            sessions += await asyncio.gather(
                *(
                    # A device of his own: another Start of the same one is a redial.
                    self.sim.dial(
                        Subscriber(name, PASSWORD, station(at + n), method="pap", redials=False)
                    )
                    for n, name in enumerate(names[at : at + DIALS_AT_ONCE])
                )
            )
        await self.sim.settled()
        await self.open_are(len(names), names)
        return sessions

    async def open_are(self, count: int, names: Sequence[str]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        query = (
            "SELECT count(*) FROM session WHERE username = ANY ($1::text[]) AND stopped_at IS NULL"
        )
        while (found := await self.sql.fetchval(query, list(names))) != count:
            if time.monotonic() > deadline:
                raise Failed(f"{found} of {count} sessions are in the books")
            await asyncio.sleep(0.05)

    async def acknowledged(self, code: int, since: int) -> float:
        """When the next request of this kind was, of those after the first `since`."""

        def found() -> list[float]:
            return [at for at, one in self.asked[since:] if one == code]

        await self.sim.until(found, PATIENCE_S)
        return found()[0]


@asynccontextmanager
async def housing(turnpike: Turnpike, answers_s: float) -> AsyncIterator[House]:
    server = Server("127.0.0.1", turnpike.ports["auth"], turnpike.ports["acct"])
    sql = await connect(turnpike.owner_url, None)
    house: House

    def watch(nas: SimulatedNas, happened: Happened) -> None:
        house.note(nas, happened)

    try:
        async with Simulation(server, SECRET, watch=watch) as sim:
            house = House(turnpike, sim, sql)
            house.nas = await sim.add(
                Box("bench-box", ADDRESS, interim_s=0, own_interim=True),
                replace(mikrotik.PPPOE, resend_after_s=3.0),
                coa_port=COA_PORT,
                faults=Faults(delay_s=answers_s / 2),  # there and back
            )
            yield house
    finally:
        await sql.close()


async def storm(house: House, names: Sequence[str], file: Path, setting: Setting) -> Storm:
    """All of them suspended in one transaction, while others log in."""
    rows = await house.sql.fetch(
        "SELECT id, tenant_id FROM subscriber WHERE username = ANY ($1::text[])", list(names)
    )
    tenant_id, ids = rows[0]["tenant_id"], [row["id"] for row in rows]
    database = Database(house.turnpike.owner_url)
    try:
        await house.dial(names)
        calm = await asyncio.to_thread(_logins, house, "boxes: calm", file, setting)
        since = len(house.asked)
        going = asyncio.create_task(
            asyncio.to_thread(_logins, house, "boxes: storm", file, setting)
        )
        await asyncio.sleep(LEAD_S)
        async with database.transaction(tenant_id) as tx:
            await holds.place(
                tx, tenant_id, dict.fromkeys(ids, "reject"), "staff", now=datetime.now(UTC)
            )
        committed_at = time.time()
        await house.sim.until(lambda: not house.nas.core.sessions, PATIENCE_S)
        seconds = house.asked[-1][0] - committed_at
        during = await going
        await house.sim.settled()
        await house.open_are(0, names)
        async with database.transaction(tenant_id) as tx:
            await holds.lift(tx, ids, "staff")
        await asyncio.sleep(1.0)  # until it is known
    finally:
        await database.dispose()
    return Storm(seconds, len(house.asked) - since, calm, during)


def _logins(house: House, scenario: str, file: Path, setting: Setting) -> Sample:
    return visit(
        scenario, house.turnpike.server, 0, file,
        rate=setting.logins_per_s, seconds=setting.logins_s,
    )  # fmt: skip


async def end(house: House, name: str) -> End:
    """One suspension by command."""
    since, began_at = len(house.asked), time.time()
    command = asyncio.create_task(
        asyncio.to_thread(house.turnpike.command, "subscriber", "suspend", name)
    )
    done_at = await house.acknowledged(DISCONNECT_REQUEST, since)
    await command
    bears_at = await house.sql.fetchval(
        "SELECT h.since FROM hold h JOIN subscriber s ON s.id = subscriber_id WHERE username = $1",
        name,
    )
    return End(done_at - began_at, done_at - bears_at.timestamp())


async def throttle(house: House, session: Session) -> float:
    """Seconds from the Interim that crosses the quota to the CoA-ACK."""
    since, began_at = len(house.asked), time.time()
    session.carry(download=CROSSES_OCTETS)
    house.nas.core.report(session, INTERIM, began_at)
    house.nas.move()
    done_at = await house.acknowledged(COA_REQUEST, since)
    if session.rates.download_bps != 1_000_000:
        raise Failed(f"it was not the throttle: {session.rates}")
    return done_at - began_at


async def measure(
    turnpike: Turnpike, setting: Setting, answers_s: float, file: Path
) -> tuple[list[Storm], list[End], list[float]]:
    crowd, one_by_one, metered = names_of(setting)
    async with housing(turnpike, answers_s) as house:
        throttles = [await throttle(house, one) for one in await house.dial(metered)]
        print(f"{len(throttles)} throttles: {_quantiles(throttles)}", flush=True)
        await house.dial(one_by_one)
        ends = [await end(house, name) for name in one_by_one]
        print(f"{len(ends)} ends: {_quantiles([one.of_command for one in ends])}", flush=True)
        house.nas.core.hang_up_all(house.sim.pace.now())
        house.nas.move()
        await house.sim.settled()
        storms = []
        for _ in range(setting.repetitions):
            one = await storm(house, crowd, file, setting)
            storms.append(one)
            print(f"{one.disconnects} disconnects: {one.seconds:.2f} s, {_p99s(one)}", flush=True)
    return storms, ends, throttles


def names_of(setting: Setting) -> tuple[list[str], list[str], list[str]]:
    return (
        [f"crowd-{number}" for number in range(setting.sessions)],
        [f"single-{number}" for number in range(setting.samples)],
        [f"metered-{number}" for number in range(setting.samples)],
    )


def manifest(setting: Setting) -> dict[str, object]:
    """What is there beside the bench's ordinary subscribers."""
    crowd, one_by_one, metered = names_of(setting)
    return {
        "tenant": "bench",
        "nas": [
            {
                "name": "bench-box",
                "address": ADDRESS,
                "secret": SECRET,
                "vendor": "mikrotik",
                "coa_port": COA_PORT,
            }
        ],
        "plan": [QUOTA],
        "subscriber": [
            {"username": name, "password": PASSWORD, "plan": plan}
            for names, plan in ((crowd, PLAN), (one_by_one, PLAN), (metered, "metered"))
            for name in names
        ],
    }


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _quantiles(values: Sequence[float]) -> str:
    return f"p50 {median(values):.3f} p95 {quantile(values, 0.95):.3f} s, worst {max(values):.3f}"


def section(
    storms: Sequence[Storm],
    ends: Sequence[End],
    throttles: Sequence[float],
    setting: Setting,
    answers_s: float,
) -> tuple[str, bool]:
    """For RESULTS.md, and whether every bound was kept."""
    found = [
        (
            f"{setting.sessions:,} disconnects, from the commit to the last ACK, s",
            ALLOWED_STORM_S,
            [one.seconds for one in storms],
            max(one.seconds for one in storms),
        ),
        (
            f"p99 of {setting.logins_per_s:,} logins/s meanwhile over p99 without",
            ALLOWED_P99,
            [one.ratio for one in storms],
            median(one.ratio for one in storms),
        ),
        _row("from the start of `turnpike subscriber suspend` to the Disconnect-ACK, p95, s",
             ALLOWED_END_S, [one.of_command for one in ends]),
        _row("from when its hold bears to the Disconnect-ACK, p95, s",
             ALLOWED_END_S, [one.of_hold for one in ends]),
        _row("from the Interim that crosses the quota to the CoA-ACK, p95, s",
             ALLOWED_THROTTLE_S, throttles),
    ]  # fmt: skip
    rows = "\n".join(
        f"| {what} | {bound:g} | {judged:.2f} | {min(values):.2f} | {median(values):.2f}"
        f" | {max(values):.2f} | {'kept' if judged <= bound else '**missed**'} |"
        for what, bound, values, judged in found
    )
    p99s = ", ".join(map(_p99s, storms))
    again = sum(one.disconnects for one in storms) - len(storms) * setting.sessions
    text = (
        f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: boxes\n\n{report.machine()}\n\n"
        f"- One simulated MikroTik answers {answers_s * 1e3:.0f} ms after it was asked; whole"
        f" processes with default settings; {len(storms)} storms, {len(ends)} suspensions and"
        f" {len(throttles)} crossings one after the other.\n"
        f"- p99 of logins, without and with a storm: {p99s}.  Disconnects sent again: {again}.\n\n"
        "| promise | bound | found | least | median | most | |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"{rows}\n"
    )
    return text, all(judged <= bound for _, bound, _, judged in found)


def _p99s(one: Storm) -> str:
    return f"{one.calm.outcome.p99_us / 1e3:.2f} to {one.during.outcome.p99_us / 1e3:.2f} ms"


def _row(what: str, bound: float, values: Sequence[float]) -> tuple[str, float, list[float], float]:
    return what, bound, list(values), quantile(values, 0.95)


def main() -> None:
    arguments = _arguments()
    setting = Setting(
        arguments.sessions,
        arguments.samples,
        arguments.repetitions,
        arguments.logins,
        arguments.seconds,
    )
    answers_s = arguments.answers_ms / 1e3
    radload.build()
    with (
        TemporaryDirectory(prefix="bench-boxes-") as directory,
        installation(setting.subscribers) as (turnpike, _),
        turnpike.serving(),
    ):
        file, described = Path(directory) / "pap", Path(directory) / "boxes.json"
        packets.write(file, "pap", setting.subscribers)
        described.write_text(json.dumps(manifest(setting)))
        turnpike.command("apply", str(described))
        time.sleep(1.0)  # until every worker knows
        found = uvloop.run(measure(turnpike, setting, answers_s, file))
    text, is_kept = section(*found, setting, answers_s)
    print(text)
    if arguments.append:
        with RESULTS.open("a") as results:
            results.write("\n" + text)
    sys.exit(not is_kept)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=50, help="of one end, and of one throttle")
    parser.add_argument("--repetitions", type=int, default=3, help="of the storm")
    parser.add_argument("--logins", type=int, default=1_000, help="a second, meanwhile")
    parser.add_argument("--seconds", type=float, default=6.0, help="of logins")
    parser.add_argument("--answers-ms", type=float, default=5.0)
    parser.add_argument("--append", action="store_true", help="to RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
