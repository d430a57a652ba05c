"""What a live session is to have against what it has: one pure comparison.

Level-triggered: who asks for it (a job, a click, the pass) says whose sessions to look at and
not what to do.  The decision is `policy.authorize`, on the facts of a login by somebody
who has proved himself and competes with nobody, least of all with himself, for a place.

Knows neither where sessions come from nor how a box is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from aaa.enforcement_print import given_at_login
from aaa.facts import facts_of
from aaa.places import NOTHING, LiveSession
from aaa.policy import Deny, authorize
from aaa.records import ProfileRecord, SubscriberRecord
from aaa.rendering import service_for

OFF: Final = "off"  # the service, and the print, of who may not be online
STAFF: Final = "staff"  # the reason of what people asked for


class State(StrEnum):
    """Of a row of `enforcement`."""

    DUE = "due"  # to be sent, at once or again later
    TOLD = "told"  # acknowledged; what is reported next shows whether it was done
    DONE = "done"  # has what it is to have
    WAITING = "waiting"  # no rung of the ladder got it there: the next login will
    STOPPED = "stopped"  # refused for what we send or how the NAS is set up: people must look
    STALE = "stale"  # the NAS knows no such session


class Rung(StrEnum):
    """Of the ladder, from what disturbs least."""

    COA = "coa"
    DISCONNECT = "disconnect"
    API = "api"
    LOGIN = "login"


class Known(NamedTuple):
    """What a session's row says, if it has one."""

    wanted: str
    reason: str
    applied: str
    state: str


class Live(NamedTuple):
    """An open session, as far as the comparison looks at it."""

    id: int
    tenant_id: int
    nas_id: int
    subscriber_id: int
    nonce: str
    mac: str
    known: Known | None

    @property
    def applied(self) -> str:
        """The print of what it has; empty: nobody knows."""
        return given_at_login(self.nonce) if self.known is None else self.known.applied


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of which plan, or nothing (`OFF`), and why."""

    service: str
    reason: str  # of a Deny, or what confines or slows


class Next(StrEnum):
    """What follows from a comparison."""

    NOTHING = "nothing"
    WISH = "wish"  # a new one, which takes the place of an older
    CANCEL = "cancel"  # an older wish is not wanted any more, and the session has what it is to
    UNDO = "undo"  # as that, but the older one may have been carried out: it is taken back aloud


def wanted_of(
    session: Live, record: SubscriberRecord | None, profile: ProfileRecord | None, now_s: int
) -> Wanted:
    """The policy's word for this session now."""
    facts = facts_of(
        record, profile, now_s, session.nas_id, session.mac, NOTHING, False, "proven", ""
    )
    decision = authorize(facts)
    if isinstance(decision, Deny):
        return Wanted(OFF, decision.reason)
    if (
        record is not None
        and profile is not None
        and profile.at_limit == "kick_oldest"
        and is_crowded_out(session.id, record.sessions, profile.session_limit)
    ):
        return Wanted(OFF, "session-limit")
    reason = decision.walled_by or ("quota" if decision.throttled else "")
    return Wanted(service_for(decision), reason)


def is_crowded_out(session_id: int, sessions: Sequence[LiveSession], limit: int) -> bool:
    """Whether newer ones of the same subscriber fill the limit, a device or a multi-session once.

    One that is not among them is too new to be known, and stays.
    """
    if not limit or len(sessions) <= limit:
        return False
    places: dict[object, int] = {}  # -> its newest session
    mine: object = None
    for one in sessions:
        place = one.multi_session or one.device or one.id
        places[place] = max(one.id, places.get(place, 0))
        if one.id == session_id:
            mine = place
    if mine is None:
        return False
    return sum(newest > places[mine] for newest in places.values()) >= limit


def compare(session: Live, wanted: str) -> Next:
    """`wanted` is a print, or `OFF`."""
    known = session.known
    if known is None:
        return Next.NOTHING if session.applied == wanted else Next.WISH
    if known.reason == STAFF and known.state != State.DONE:
        # People asked for its end, whatever the policy allows; where that came to nothing it
        # is nevertheless to have what the policy says.
        is_given_up = known.state in (State.WAITING, State.STOPPED)
        is_other = known.applied not in ("", wanted) and wanted != OFF
        return Next.WISH if is_given_up and is_other else Next.NOTHING
    if known.applied == wanted:
        if known.wanted == wanted:
            return Next.NOTHING
        # Sent and not answered, or not yet, it may have been done all the same.
        is_open = known.state in (State.DUE, State.WAITING) and known.wanted != OFF
        return Next.UNDO if is_open else Next.CANCEL
    if known.wanted == wanted and known.state != State.DONE:
        return Next.NOTHING  # it is being seen to, or was given up
    return Next.WISH
