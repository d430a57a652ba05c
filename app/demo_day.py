"""What the demo's subscribers do all day, as a function of the calendar.

The same day always has the same sessions with the same counters, so a demo that is
started twice reports the same records twice, and they count once.  Knows no socket and
no clock: times are Unix seconds.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
INTERIM_S: Final = 300
# Of each plan: sessions a day at most, and octets that come down in an interim on average.
HABITS: Final = {
    "home": (2, 180_000_000),
    "fast": (3, 700_000_000),
    "guest": (4, 25_000_000),
}
UPLOAD_PART: Final = 8  # of what comes down, one part goes up


@dataclass(frozen=True, slots=True)
class DemoSession:
    """One session; it may reach beyond the moment that is asked about."""

    username: str
    number: int  # of the day; 0 is the first
    station: str
    address: int  # the last octet of 100.64.0.0/24
    began_s: int
    ends_s: int

    @property
    def acct_session_id(self) -> str:
        return f"{self.began_s:08x}{self.address:02x}"

    def counters(self, at_s: int) -> tuple[int, int, int]:
        """Seconds, octets from the subscriber and octets to him by then."""
        elapsed_s = min(max(at_s, self.began_s), self.ends_s) - self.began_s
        chance = random.Random(self.acct_session_id)  # noqa: S311 - the same each time, on purpose
        mean = HABITS[self.username.partition("-")[0]][1]
        received = sent = 0
        whole, rest_s = divmod(elapsed_s, INTERIM_S)
        for _ in range(whole):
            down = chance.randrange(2 * mean)
            sent += down
            received += down // UPLOAD_PART
        down = chance.randrange(2 * mean) * rest_s // INTERIM_S
        return elapsed_s, received + down // UPLOAD_PART, sent + down


@dataclass(frozen=True, slots=True)
class Moment:
    """A report that is due: `kind` is the Acct-Status-Type."""

    at_s: int
    kind: int
    session: DemoSession


START, STOP, INTERIM = 1, 2, 3


def moments(usernames: list[str], from_s: int, to_s: int) -> Iterator[Moment]:
    """All reports of sessions that began after `from_s`, up to `to_s`, in order of time."""
    due = []
    for day in range(from_s // DAY_S, to_s // DAY_S + 1):
        for place, username in enumerate(usernames):
            for session in _of_day(username, place, day):
                if session.began_s >= from_s:
                    due += [one for one in _reports(session) if one.at_s <= to_s]
    due.sort(key=lambda one: (one.at_s, one.session.address, one.kind))
    yield from due


def _reports(session: DemoSession) -> Iterator[Moment]:
    yield Moment(session.began_s, START, session)
    for at_s in range(session.began_s + INTERIM_S, session.ends_s, INTERIM_S):
        yield Moment(at_s, INTERIM, session)
    yield Moment(session.ends_s, STOP, session)


def _of_day(username: str, place: int, day: int) -> list[DemoSession]:
    """A subscriber's sessions of a UTC day, one after the other; the last may pass midnight."""
    chance = random.Random(f"{username} {day}")  # noqa: S311 - as above
    count = 1 + chance.randrange(HABITS[username.partition("-")[0]][0])
    part_s = DAY_S // count
    found = []
    for number in range(count):
        began_s = day * DAY_S + number * part_s + chance.randrange(part_s // 4)
        ends_s = began_s + chance.randrange(part_s // 3, part_s // 4 * 3)
        station = f"02-00-5E-20-00-{place:02X}"
        found.append(DemoSession(username, number, station, 10 + place, began_s, ends_s))
    return found
