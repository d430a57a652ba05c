"""Simulated boxes at a real installation for half a minute, and its books afterwards.

    python -m bench.simulated --append
    python -m bench.simulated --quick       # some seconds, to see that it works

Thousands of subscribers of four makes come, report and go, by `turnpike simulate`.  Told is
what the installation did in that time and what it cost; then what it has stored is compared with
what the boxes counted, session by session and to the octet.  With --append a section goes
to the end of bench/RESULTS.md.  Ends with status 1 if anything was unanswered or differs.

Why two generators: radload, in C, asks what it was given as fast as a server can answer, and
costs a tenth of it; peak figures are its.  It forgets what it sent.  A simulated box costs more
than the answer, and so measures no peak; but it lives: it logs in by its make's method, keeps the
Class, counts what the Accept allowed, sends again as its make does, and knows the truth.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import processes, report
from bench.processes import Cpu
from bench.turnpike import Turnpike, installation

RESULTS = Path(__file__).parent / "RESULTS.md"
SECRET, PASSWORD, PLAN = "bench-simulated", "bench-simulated-password", "simulated"
# The simulator's name for a make, `turnpike apply`'s, whether it signs its Access-Requests, and
# how its subscribers log in.
MAKES = (
    ("mikrotik-pppoe", "mikrotik", True, "chap"),
    ("huawei", "huawei_bng", False, "chap"),
    ("cisco", "cisco", False, "pap"),
    ("accel-ppp", "accel_ppp", False, "mschapv2"),
)
STORED_WITHIN_S = 120.0
_BOOKS = """
SELECT n.name, s.acct_session_id, s.username, s.input_octets, s.output_octets,
       coalesce(u.input_octets, 0)::bigint, coalesce(u.output_octets, 0)::bigint,
       s.stopped_at IS NOT NULL
  FROM session AS s JOIN nas AS n ON n.id = s.nas_id
  LEFT JOIN (SELECT session_id, sum(input_octets) AS input_octets,
                    sum(output_octets) AS output_octets FROM usage GROUP BY session_id) AS u
         ON u.session_id = s.id
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many there are, and how restless; seconds are those of averages."""

    subscribers: int = 4_000
    boxes: int = 16
    lasts_s: float = 30.0
    session_s: int = 10
    pause_s: int = 3
    interim_s: int = 5


QUICK = Crowd(subscribers=80, boxes=4, lasts_s=4.0, session_s=2, pause_s=1, interim_s=1)


@dataclass(frozen=True, slots=True)
class Found:
    """What the simulator told, what it cost, and what of the books differs from the boxes."""

    crowd: Crowd
    told: dict[str, Any]
    seconds: float  # until all was answered
    stored_s: float  # after the last answer
    used: Cpu
    differs: Sequence[str]

    @property
    def answered(self) -> int:
        logins = self.told["logins"]
        return int(logins["accepted"] + logins["rejected"] + self.told["records"]["acknowledged"])

    @property
    def unanswered(self) -> int:
        unacknowledged = self.told["records"]["unacknowledged"]
        return int(self.told["logins"]["unanswered"] + unacknowledged + self.told["open_questions"])

    @property
    def is_clean(self) -> bool:
        return not self.differs and not self.unanswered and not self.told["logins"]["rejected"]


def measure(crowd: Crowd, workers: int | None = None) -> Found:
    """Play it against a new installation."""
    with installation(1, workers=workers) as (turnpike, _), turnpike.serving():
        with TemporaryDirectory(prefix="bench-simulated-") as name:
            manifest, scenario = Path(name) / "isp.json", Path(name) / "crowd.json"
            manifest.write_text(json.dumps(isp(crowd)))
            scenario.write_text(json.dumps(played(crowd)))
            turnpike.command("apply", str(manifest))
            time.sleep(2)  # until it is in force everywhere; nobody is waiting yet
            roots, began = list(turnpike.roots), time.monotonic()
            before = processes.cpu(roots)
            told = json.loads(
                turnpike.command(
                    "simulate",
                    *("--scenario", str(scenario), "--seed", "1", "--json", "--server"),
                    f"127.0.0.1:{turnpike.ports['auth']}:{turnpike.ports['acct']}",
                )
            )
        answered_at = time.monotonic()
        differs = _compared(turnpike, told, answered_at + STORED_WITHIN_S)
        used = processes.cpu(roots) - before
        return Found(
            crowd, told, answered_at - began, time.monotonic() - answered_at, used, differs
        )


def isp(crowd: Crowd) -> dict[str, object]:
    """What `turnpike apply` reads."""
    makes = [MAKES[number % len(MAKES)] for number in range(crowd.boxes)]
    return {
        "tenant": "bench",
        "nas": [
            {
                "name": f"sim-{number}",
                "address": _address(number),
                "secret": SECRET,
                "vendor": vendor,
                "require_message_authenticator": signs,
            }
            for number, (_, vendor, signs, _) in enumerate(makes)
        ],
        "plan": [{"code": PLAN, "download": "100M", "upload": "20M", "session_limit": 0}],
        "subscriber": [
            {"username": f"sim-{number}-{n}", "password": PASSWORD, "plan": PLAN}
            for number in range(crowd.boxes)
            for n in range(1, crowd.subscribers // crowd.boxes + 1)
        ],
    }


def played(crowd: Crowd) -> dict[str, object]:
    """What `turnpike simulate` reads."""
    return {
        "secret": SECRET,
        "minutes": crowd.lasts_s / 60,
        "nas": [
            {
                "name": f"sim-{number}",
                "address": _address(number),
                "make": MAKES[number % len(MAKES)][0],
                "method": MAKES[number % len(MAKES)][3],
                "coa_port": 0,
                "subscribers": crowd.subscribers // crowd.boxes,
                "username": "{nas}-{n}",
                "password": PASSWORD,
                "download": "60M",
                "upload": "10M",
                "ramp": f"{crowd.session_s}s",
                "session": f"{crowd.session_s}s",
                "pause": f"{crowd.pause_s}s",
                "interim": f"{crowd.interim_s}s",
                "own_interim": True,
            }
            for number in range(crowd.boxes)
        ],
    }


def _address(number: int) -> str:
    return f"127.0.3.{number + 1}"


def _compared(turnpike: Turnpike, told: dict[str, Any], until: float) -> list[str]:
    """What differs, as soon as nothing does, or when the time is up."""
    wanted = {
        (one["nas"], one["acct_session_id"], one["username"]): (
            one["input_octets"],
            one["output_octets"],
        )
        for one in told["sessions"]
    }
    while True:
        differs, seen = [], set()
        for nas, session_id, username, *octets, is_closed in turnpike.rows(_BOOKS):
            name = (nas, session_id, username)
            counted = wanted.get(name)
            if name in seen or counted is None or octets != [*counted, *counted] or not is_closed:
                differs.append(f"{name}: {octets} instead of {counted}, closed: {is_closed}")
            seen.add(name)
        differs += [f"{name}: not there" for name in wanted.keys() - seen]
        if not differs or time.monotonic() > until:
            return differs
        time.sleep(0.2)


def section(found: Found) -> str:
    """For bench/RESULTS.md."""
    told, crowd = found.told, found.crowd
    logins, records = told["logins"], told["records"]
    octets = told["input_octets"] + told["output_octets"]
    each_us = 1e6 / max(found.answered, 1)
    row = (
        f"{logins['accepted']:,}",
        f"{logins['accepted'] / found.seconds:,.0f}",
        f"{logins['ms']['p50']:.1f} / {logins['ms']['p99']:.1f}",
        f"{records['acknowledged']:,}",
        f"{records['acknowledged'] / found.seconds:,.0f}",
        f"{records['ms']['p50']:.1f} / {records['ms']['p99']:.1f}",
        f"{found.unanswered}",
        f"{found.used.server_s * each_us:.0f} + {found.used.postgres_s * each_us:.0f}",
        f"{found.stored_s:.1f}",
        f"{len(told['sessions']):,}, {octets:,} octets: {len(found.differs)} differ",
    )
    return (
        f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: simulated boxes\n\n{report.machine()}\n\n"
        f"- `turnpike simulate` at a new installation with default settings: {crowd.subscribers:,}"
        f" subscribers at {crowd.boxes} boxes of {len(MAKES)} makes for {crowd.lasts_s:.0f} s,"
        f" sessions of {crowd.session_s} s with an Interim every {crowd.interim_s} s. It is no"
        " peak: the boxes ask at their own pace and share the cores.\n"
        "- Stored: seconds from the last answer until each session and its usage are in the"
        " database as the box counted them.\n\n"
        "| logins | a second | p50 / p99 ms | records | a second | p50 / p99 ms | unanswered"
        " | CPU us an answer, server + PostgreSQL | stored, s | sessions |\n"
        f"|{' --- |' * len(row)}\n| {' | '.join(row)} |\n"
    )


def main() -> int:
    """Zero if everything was answered and the books are the boxes'."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small crowd for some seconds")
    parser.add_argument("--append", action="store_true", help="to RESULTS.md")
    arguments = parser.parse_args()
    found = measure(QUICK if arguments.quick else Crowd())
    text = section(found)
    print(text)
    for one in found.differs[:5]:
        print(one)
    if arguments.append:
        with RESULTS.open("a") as results:
            results.write("\n" + text)
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
