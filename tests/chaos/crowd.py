"""Who is online while a trial lasts: subscribers of simulated boxes, and the truth about them.

The boxes, their packets and their patience are the simulator's.  What it took for an answer is
checked again here, with hashlib alone (`tests.asking`): a simulator that believed whatever it
heard would call everything acknowledged.

Hours pass in seconds, so every box tells its own time of day, also those of makes that need not.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, cast

from app.simulator.asker import Answered, Kind
from app.simulator.events import LOST_CARRIER, Happened, Record, What
from app.simulator.faults import Faults
from app.simulator.habits import Habits
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.scenario import Crowd, Place
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server
from app.simulator.tally import Tally
from tests.asking import ACCESS_ACCEPT, ACCOUNTING_RESPONSE, read
from tests.chaos.comparing import Expected
from tests.serving import ISP, PASSWORD, SECRET, Manifest, Turnpike

BOXES: Final = 20
HOSTS: Final = tuple(f"127.0.1.{number}" for number in range(1, BOXES + 1))
SUBSCRIBERS_MAX: Final = 50  # of each box
INTERIM_S: Final = 60  # as the plan says: the least that one can
RESEND_AFTER_S: Final = 1.0
GIVE_UP_AFTER_S: Final = 90.0
# Of a session in an even load, on average: five records, one each second.
SESSION_S, PAUSE_S = 3.5, 0.5
# Make by make, and what `turnpike apply` calls it; some sign no Access-Request.
_MAKES: Final = (
    ("mikrotik-pppoe", "mikrotik", True),
    ("huawei", "huawei_bng", False),
    ("cisco", "cisco", False),
    ("accel-ppp", "accel_ppp", False),
    ("ipoe", "generic", True),
)
_USERNAME: Final = "{nas}-{n}"
STOPPED: Final = frozenset(("stop",))
# Whose box lost power has no Stop.  What closes his session may come in any order: the box that
# says so, he himself who dials again, or long silence, because his day passes in a minute.
WITHOUT_STOP: Final = frozenset(("accounting-on", "redial", "reaper"))


def name_of(host: str) -> str:
    """What a box is called."""
    return f"box-{host}"


def _entries(name: str) -> list[object]:
    return cast("list[object]", ISP[name])


CHAOS_ISP: Manifest = {
    **ISP,
    "nas": [
        {
            "name": name_of(host),
            "address": host,
            "secret": SECRET,
            "vendor": vendor,
            "require_message_authenticator": signs,
        }
        for host, (_, vendor, signs) in zip(HOSTS, _MAKES * (BOXES // len(_MAKES)), strict=True)
    ],
    "plan": [
        *_entries("plan"),
        {
            "code": "crowd",
            "download": "1G",
            "upload": "200M",
            "session_limit": 0,
            "interim_s": INTERIM_S,
        },
    ],
    "subscriber": [
        *_entries("subscriber"),
        *(
            {"username": f"{name_of(host)}-{n}", "password": PASSWORD, "plan": "crowd"}
            for host in HOSTS
            for n in range(1, SUBSCRIBERS_MAX + 1)
        ),
    ],
}


def places(
    subscribers: int, faults: Faults, habits: Habits, *, own_interim_s: int = 0
) -> Iterator[Place]:
    """The boxes with so many subscribers in all, who want more than 2^32 octets a minute.

    With `own_interim_s` the boxes report so often, whatever the plan says.
    """
    assert subscribers <= BOXES * SUBSCRIBERS_MAX
    for number, host in enumerate(HOSTS):
        make = replace(
            MAKES[_MAKES[number % len(_MAKES)][0]],
            event_timestamps=True,
            resend_after_s=RESEND_AFTER_S,
            login_sends=3,
            record_sends=int(GIVE_UP_AFTER_S / RESEND_AFTER_S),
        )
        count = subscribers // BOXES + (number < subscribers % BOXES)
        yield Place(
            Box(name_of(host), host, interim_s=own_interim_s, own_interim=bool(own_interim_s)),
            make,
            coa_port=0,
            faults=faults,
            habits=habits,
            crowd=Crowd(
                count,
                _USERNAME,
                PASSWORD,
                download_bps=700_000_000,
                upload_bps=100_000_000,
                ramp_s=SESSION_S if own_interim_s else INTERIM_S,
            ),
        )


def even(logins_per_s: float, repeats: float) -> tuple[Place, ...]:
    """Sessions of some seconds and five records, at a rate that stays as it is."""
    return tuple(
        places(
            int(logins_per_s * (SESSION_S + PAUSE_S)),
            Faults(repeats=repeats, repeat_s=4.0),
            Habits(SESSION_S, PAUSE_S, PAUSE_S),
            own_interim_s=1,
        )
    )


def server(turnpike: Turnpike) -> Server:
    """Whom the boxes ask."""
    return Server("127.0.0.1", turnpike.auth[1], turnpike.acct[1])


class Wait(NamedTuple):
    """From the first packet to the answer, in seconds of one clock."""

    began: float
    lasted_s: float


@dataclass(slots=True)
class Watched:
    """What the boxes heard: `note` is a Simulation's `watch`."""

    acknowledged: list[bytes] = field(default_factory=list)  # as it was sent, each one
    told: set[Record] = field(default_factory=set)
    logins: list[Wait] = field(default_factory=list)
    records: list[Wait] = field(default_factory=list)
    answered_at: dict[str, float] = field(default_factory=dict)  # by box, the last time
    wrong: list[str] = field(default_factory=list)  # what no box may believe, or never got

    def note(self, nas: SimulatedNas, happened: Happened) -> None:
        """One event."""
        now = time.monotonic()
        if happened.answer is not None:
            self._check(happened, happened.answer)
            self.answered_at[nas.name] = now
        if happened.what is What.ACKNOWLEDGED and happened.answer is not None:
            self.acknowledged.append(happened.answer.question.packet)
            assert happened.record is not None, "only records are acknowledged"
            self.told.add(happened.record)
            self.records.append(Wait(now - happened.took_s, happened.took_s))
        elif happened.what is What.ACCEPTED:
            self.logins.append(Wait(now - happened.took_s, happened.took_s))
        elif happened.what in (What.REJECTED, What.UNACKNOWLEDGED):
            self.wrong.append(f"{nas.name}: {happened.what} {happened.detail}")

    def _check(self, happened: Happened, answer: Answered) -> None:
        """By the RFCs alone."""
        is_login = answer.question.kind is Kind.LOGIN
        wanted = ACCESS_ACCEPT if is_login else ACCOUNTING_RESPONSE
        try:
            reply = read(
                answer.reply.octets, answer.question.packet, SECRET.encode(), signed=is_login
            )
            assert reply.code == wanted, f"code {reply.code}"
        except AssertionError as why:
            self.wrong.append(f"{happened.what}: {why}")


def expected(tallies: Sequence[Tally]) -> Iterator[Expected]:
    """What must be in the database, once everything was acknowledged."""
    for tally in tallies:
        for told in tally.sessions.values():
            session, last = told.session, told.acknowledged
            is_cut_off = session.cause == LOST_CARRIER
            counted = last if is_cut_off and last is not None else session
            assert session.ended_s is not None, "everybody has hung up"
            yield Expected(
                told.nas,
                session.acct_session_id,
                session.username,
                last.session_time_s
                if is_cut_off and last is not None
                else int(session.ended_s - session.began_s),
                counted.input_octets,
                counted.output_octets,
                WITHOUT_STOP if is_cut_off else STOPPED,
            )
