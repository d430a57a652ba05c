"""What is to be played: NASes, who dials at them, and what goes wrong when.

Values, and the pure way from them and a seed to the subscribers.  Where they are written
down is not known here.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.simulator.faults import NONE, Faults
from app.simulator.habits import Habits
from app.simulator.personality import Box, Personality
from app.simulator.session import Subscriber

# {n} counts, {n:04} with zeros in front, {nas} is the NAS's name.
PLACE: Final = re.compile(r"\{(n|nas)(?::0?([1-9]))?\}")


class Deed(StrEnum):
    """What an event of a scenario does to its NASes."""

    REBOOT = "reboot"
    FAULTS = "faults"
    HANG_UP_ALL = "hang_up_all"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time of its own; without a `nas`, to all."""

    at_s: float
    do: Deed
    nas: str = ""
    faults: Faults = NONE
    accounting_on: bool | None = None  # of a reboot; None: as the make does


@dataclass(frozen=True, slots=True)
class Crowd:
    """The subscribers of one NAS, alike but for their names and their luck."""

    count: int = 100
    username: str = "user-{n:04}"
    password: str = "password"  # noqa: S105 - of subscribers that do not exist
    first: int = 1  # {n} of the first
    method: str = ""
    download_bps: int = 20_000_000  # on average, when nothing holds him back
    upload_bps: int = 2_000_000
    wrong_passwords: float = 0.0  # a part of them types nonsense
    circuit_id: str = ""
    remote_id: str = ""
    ramp_s: float = 30.0  # within which all of them dial


@dataclass(frozen=True, slots=True)
class Place:
    """One NAS and its subscribers."""

    box: Box
    make: Personality
    coa_port: int | None = None
    faults: Faults = NONE
    habits: Habits = Habits()
    crowd: Crowd = Crowd()


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it."""

    places: tuple[Place, ...]
    events: tuple[Event, ...] = ()
    secret: str = ""
    minutes: float = 5.0
    speed: float = 1.0
    behind_s: float = 0.0
    secrets: Mapping[str, str] = field(default_factory=dict)  # by NAS, where one has its own


def subscribers(place: Place, seed: int) -> Iterator[tuple[float, Subscriber]]:
    """Who dials at this NAS, and how many seconds after the beginning."""
    crowd = place.crowd
    for n in range(crowd.first, crowd.first + crowd.count):
        # Of his own: a scenario with more subscribers has the same ones, and more.
        chance = random.Random(f"{seed}/{place.box.name}/crowd/{n}")  # noqa: S311 - repeatable
        after_s = chance.random() * crowd.ramp_s
        appetite = 2 * chance.random()
        is_wrong = chance.random() < crowd.wrong_passwords
        username, password, circuit_id, remote_id = (
            filled(text, n, place.box.name)
            for text in (crowd.username, crowd.password, crowd.circuit_id, crowd.remote_id)
        )
        yield (
            after_s,
            Subscriber(
                username,
                f"{password}?" if is_wrong else password,
                station(n),
                crowd.method,
                int(crowd.download_bps * appetite),
                int(crowd.upload_bps * appetite),
                circuit_id,
                remote_id,
            ),
        )


def filled(text: str, n: int, nas: str) -> str:
    """`user-{n:04}` as `user-0007`."""

    def fill(found: re.Match[str]) -> str:
        return nas if found[1] == "nas" else f"{n:0{found[2] or 1}}"

    return PLACE.sub(fill, text)


def station(n: int) -> str:
    """A MAC address that no manufacturer gives out (locally administered)."""
    digits = f"025e{n % 2**32:08x}"
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
