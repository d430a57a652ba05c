"""May this subscriber be online now, and with what?  One pure function.

The same answer serves the Access-Request at login and the change in mid-session, so the
two can never disagree.  Time is Unix seconds here rather than a datetime, because this
runs for every login.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

FOREVER = 0  # a time limit that never comes
SESSIONS_NAMED_MAX = 20  # in a trace


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reason not to let someone on; its source alone lifts it."""

    source: str  # staff | dunning | expiry | quota
    effect: str  # reject | walled_garden
    since_s: int
    until_s: int  # FOREVER: until lifted


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Everything the decision looks at, gathered beforehand."""

    now_s: int
    known: bool
    entitled: bool = True  # has a plan at all
    holds: tuple[Hold, ...] = ()
    valid_until_s: int = FOREVER
    nas_id: int = 0
    bound_nas_ids: tuple[int, ...] = ()  # empty: any
    mac: str = ""  # of the device that asks, normalised; empty when it reports none
    bound_macs: tuple[str, ...] = ()  # empty: any
    open_sessions: int = 0  # of devices other than the one that asks
    reserved: int = 0  # by logins of such devices, whose sessions are not known yet
    session_ids: tuple[int, ...] = ()  # those that are open, for the trace
    session_limit: int = 0  # 0: none
    at_limit: str = "reject"  # reject | kick_oldest
    guesses_exceeded: bool = False
    proof: str = "proven"  # proven | failed | not-asked
    proof_reason: str = ""
    session_timeout_s: int = 0  # of the profile; 0: none
    at_quota: str = ""  # throttle | block | walled_garden | nothing; empty: there is no quota
    quota_octets_left: int | None = None  # None: as many as you like
    quota_time_left_s: int | None = None
    # Beyond the rest, what a NAS lets pass before it cuts: who is to be slowed down is told so
    # before.
    grace_octets: int = 0
    grace_s: int = 0
    used_octets: int = 0
    used_time_s: int = 0
    is_weighed: bool = False  # an octet does not always count as one
    found_by: str = ""  # name, or what else; of whom nobody knows, what was looked for


class Permit(NamedTuple):
    """Yes.  `walled_by` names the hold that confines the session, if one does, or "quota".

    `limit_octets` is what the session may carry until its NAS ends it by itself, in the
    direction that the quota counts; 0: no limit.
    """

    session_timeout_s: int  # 0: none
    walled_by: str = ""
    kicks_oldest: bool = False
    throttled: bool = False
    limit_octets: int = 0


class Deny(NamedTuple):
    """No.  `reason` is for logs, metrics and staff; `message` is for the subscriber."""

    reason: str
    message: str


Decision = Permit | Deny

# What a guesser is told, whatever was wrong: nothing.
NOT_PROVEN_MESSAGE = "Login incorrect"


def is_in_force(hold: Hold, now_s: int) -> bool:
    return hold.since_s <= now_s and (hold.until_s == FOREVER or now_s < hold.until_s)


def known(facts: Facts) -> Deny | None:
    return None if facts.known else Deny("unknown-user", NOT_PROVEN_MESSAGE)


def entitled(facts: Facts) -> Deny | None:
    return None if facts.entitled else Deny("no-plan", "No active subscription")


def not_held(facts: Facts) -> Deny | None:
    for hold in facts.holds:
        if hold.effect == "reject" and is_in_force(hold, facts.now_s):
            return Deny("suspended", "Account suspended")
    return None


def not_expired(facts: Facts) -> Deny | None:
    if facts.valid_until_s != FOREVER and facts.valid_until_s <= facts.now_s:
        return Deny("expired", "Subscription expired")
    return None


def has_quota(facts: Facts) -> Deny | None:
    if facts.at_quota == "block" and is_used_up(facts):
        return Deny("quota", "Quota exceeded")
    return None


def on_bound_nas(facts: Facts) -> Deny | None:
    if facts.bound_nas_ids and facts.nas_id not in facts.bound_nas_ids:
        return Deny("nas-binding", "Not allowed from this access point")
    return None


def from_bound_mac(facts: Facts) -> Deny | None:
    if facts.bound_macs and facts.mac not in facts.bound_macs:
        return Deny("mac-binding", "Not allowed from this device")
    return None


def within_session_limit(facts: Facts) -> Deny | None:
    if _is_full(facts) and facts.at_limit == "reject":
        return Deny("session-limit", "Too many sessions")
    return None


def not_guessing(facts: Facts) -> Deny | None:
    return Deny("guessing", NOT_PROVEN_MESSAGE) if facts.guesses_exceeded else None


def proven(facts: Facts) -> Deny | None:
    if facts.proof == "failed":
        return Deny(facts.proof_reason, NOT_PROVEN_MESSAGE)
    return None


class Rule(NamedTuple):
    """One check, and what it looks at in words for the trace."""

    name: str
    objection: Callable[[Facts], Deny | None]
    looks_at: Callable[[Facts], str]


# In the order a help desk would ask.  The first objection wins.
RULES: tuple[Rule, ...] = (
    Rule("known", known, lambda f: _found_in_words(f)),
    Rule("entitled", entitled, lambda f: "has a plan" if f.entitled else "has no plan"),
    Rule("not_held", not_held, lambda f: _holds_in_words(f)),
    Rule("not_expired", not_expired, lambda f: f"valid_until={_moment(f.valid_until_s)}"),
    Rule("has_quota", has_quota, lambda f: _quota_in_words(f)),
    Rule("on_bound_nas", on_bound_nas, lambda f: f"nas={f.nas_id} bound={_some(f.bound_nas_ids)}"),
    Rule("from_bound_mac", from_bound_mac, lambda f: f"mac={f.mac} bound={_some(f.bound_macs)}"),
    Rule(
        "within_session_limit",
        within_session_limit,
        lambda f: _places_in_words(f),
    ),
    Rule("not_guessing", not_guessing, lambda f: f"exceeded={f.guesses_exceeded}"),
    Rule("proven", proven, lambda f: f"proof={f.proof} {f.proof_reason}".rstrip()),
)

_CHECKS = tuple(rule.objection for rule in RULES)


def authorize(facts: Facts) -> Decision:
    """The decision.

    A guesser learns nothing from it: whoever did not prove himself hears the same message,
    whichever rule objected first.
    """
    for check in _CHECKS:
        denial = check(facts)
        if denial is not None:
            if facts.proof == "failed":
                return Deny(denial.reason, NOT_PROVEN_MESSAGE)
            return denial
    timeout_s = facts.session_timeout_s
    if facts.valid_until_s != FOREVER:
        # No longer than what was paid for (RFC 2865 §5.27).
        left_s = facts.valid_until_s - facts.now_s
        timeout_s = min(timeout_s, left_s) if timeout_s else left_s
    walled_by = ""
    for hold in facts.holds:
        if hold.effect == "walled_garden" and is_in_force(hold, facts.now_s):
            walled_by = hold.source
    if not facts.at_quota or facts.at_quota == "nothing":
        return Permit(timeout_s, walled_by, _is_full(facts))
    return _within_quota(facts, Permit(timeout_s, walled_by, _is_full(facts)))


def _within_quota(facts: Facts, permit: Permit) -> Permit:
    """What the rest of the quota makes of it.

    Once it is used up, a garden is left or full speed restored when the window ends; until
    then the NAS itself ends the session with the rest, for when nobody reaches it to say so.
    Where the plan slows down instead, that comes later than the word that does.
    """
    if is_used_up(facts):
        if permit.walled_by:
            return permit
        if facts.at_quota == "walled_garden":
            return permit._replace(walled_by="quota")
        return permit._replace(throttled=True)
    # Each session that runs gets its part (domain.md §8.6).
    parts = 1 + facts.open_sessions + facts.reserved
    timeout_s, limit_octets = permit.session_timeout_s, 0
    if facts.quota_time_left_s is not None:
        part_s = max(1, facts.quota_time_left_s // parts) + facts.grace_s
        timeout_s = min(timeout_s, part_s) if timeout_s else part_s
    # The NAS would weigh the octets of a free night like any others, and cut too early.
    if facts.quota_octets_left is not None and not facts.is_weighed and not permit.walled_by:
        limit_octets = max(1, facts.quota_octets_left // parts) + facts.grace_octets
    return permit._replace(session_timeout_s=timeout_s, limit_octets=limit_octets)


def trace(facts: Facts) -> list[tuple[str, str, str]]:
    """Each rule that was asked, what it looked at, and what it said: (rule, input, result)."""
    steps: list[tuple[str, str, str]] = []
    for rule in RULES:
        denial = rule.objection(facts)
        steps.append((rule.name, rule.looks_at(facts), denial.reason if denial else "ok"))
        if denial is not None:
            return steps
    decision = authorize(facts)
    assert isinstance(decision, Permit)
    steps.append(("permit", *_permit_in_words(decision)))
    return steps


def is_used_up(facts: Facts) -> bool:
    return facts.quota_octets_left == 0 or facts.quota_time_left_s == 0


def _is_full(facts: Facts) -> bool:
    return 0 < facts.session_limit <= facts.open_sessions + facts.reserved


def _permit_in_words(permit: Permit) -> tuple[str, str]:
    effect = f"walled garden by {permit.walled_by}" if permit.walled_by else "profile"
    if permit.throttled:
        effect += ", throttled"
    if permit.kicks_oldest:
        effect += ", the oldest makes room"
    words = f"session_timeout_s={permit.session_timeout_s or 'none'}"
    if permit.limit_octets:
        words += f" limit_octets={permit.limit_octets}"
    return words, effect


def _quota_in_words(facts: Facts) -> str:
    if not facts.at_quota:
        return "quota=none"
    words = []
    if facts.quota_octets_left is not None:
        words.append(f"used={facts.used_octets} left={facts.quota_octets_left}")
    if facts.quota_time_left_s is not None:
        words.append(f"used_s={facts.used_time_s} left_s={facts.quota_time_left_s}")
    return f"{' '.join(words)} at={facts.at_quota}"


def _found_in_words(facts: Facts) -> str:
    if not facts.known:
        told = facts.found_by and facts.found_by != "name"
        return f"no such subscriber: {facts.found_by}" if told else "no such subscriber"
    return f"found by {facts.found_by}" if facts.found_by else "subscriber found"


def _places_in_words(facts: Facts) -> str:
    """With the sessions that filled the limit (domain.md §7.4)."""
    if not facts.session_limit:
        return "limit=none"
    words = f"open={facts.open_sessions} reserved={facts.reserved} limit={facts.session_limit}"
    words += f" {facts.at_limit}"
    if not _is_full(facts) or not facts.session_ids:
        return words
    named = ",".join([str(number) for number in facts.session_ids[:SESSIONS_NAMED_MAX]])
    return f"{words} sessions={named}{',...' * (len(facts.session_ids) > SESSIONS_NAMED_MAX)}"


def _holds_in_words(facts: Facts) -> str:
    holds = [
        f"{hold.source}:{hold.effect}" for hold in facts.holds if is_in_force(hold, facts.now_s)
    ]
    return f"holds={','.join(holds) or 'none'}"


def _moment(at_s: int) -> str:
    return "open" if at_s == FOREVER else str(at_s)


def _some(values: tuple[object, ...]) -> str:
    return ",".join(str(value) for value in values) or "any"
