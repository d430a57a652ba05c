"""A change in mid-session: what two renderings differ in, as far as a box can be told it.

Three kinds of attributes.  What a box takes in a CoA is sent.  What it does not take, and
matters, makes the whole change `Unchangeable`, because half of a change (the garden's speed
without its filter) is worse than a new login.  And what is no reason to end a session:
it stays as it is until the next login.

Only differences are sent, or all that can be changed where nobody knows what the session
has.  A box that keeps what it is not told is thereby not disturbed; one that forgets it
(CoovaChilli) has a function of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nas_adapters.base import Attr, SessionRef, Step, Unchangeable, Verb
from nas_adapters.naming import COMMON, NOTHING_NAMES_IT, is_narrow, named
from nas_adapters.profile import ServiceProfile

# No reason to end a session: the worst is that it ends later, or reports more often, than
# wanted.  A time or an amount that is no longer wanted leads to a new login when it is over.
MINOR = frozenset({"Session-Timeout", "Idle-Timeout", "Acct-Interim-Interval"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What one box can be told in mid-session; attributes by their `key`."""

    changeable: frozenset[str]
    minor: frozenset[str] = MINOR
    # How an attribute is taken back that is not wanted any more.
    neutral: Mapping[str, str | int] = field(default_factory=dict)
    naming: tuple[str, ...] = COMMON


def changed(
    wanted: tuple[Attr, ...],
    applied: tuple[Attr, ...] | None,
    session: SessionRef,
    rules: Rules,
) -> tuple[Step, ...] | Unchangeable:
    """At most one CoA-Request that turns one rendering into the other."""
    different = difference(wanted, applied, rules)
    if isinstance(different, Unchangeable):
        return different
    if not different:
        return ()
    return coa(session, different, rules.naming)


def coa(
    session: SessionRef, attributes: tuple[Attr, ...], naming: tuple[str, ...] = COMMON
) -> tuple[Step, ...] | Unchangeable:
    """One CoA-Request for this session."""
    identification = named(session, naming)
    if not is_narrow(identification):
        return NOTHING_NAMES_IT
    return (Step(Verb.COA, identification + attributes),)


def without_words(
    steps: tuple[Step, ...] | Unchangeable,
    wanted: ServiceProfile,
    applied: ServiceProfile | None,
    reason: str,
) -> tuple[Step, ...] | Unchangeable:
    """For a box that says rates by name or not at all: an unsaid change is none that was made."""
    if steps or applied is None:
        return steps
    is_same = (wanted.upload_bps, wanted.download_bps) == (applied.upload_bps, applied.download_bps)
    return steps if is_same else Unchangeable(reason)


def has_rate(profile: ServiceProfile) -> bool:
    return profile.upload_bps is not None or profile.download_bps is not None


def difference(
    wanted: tuple[Attr, ...], applied: tuple[Attr, ...] | None, rules: Rules
) -> tuple[Attr, ...] | Unchangeable:
    """The attributes to send: each that differs is sent with all its instances."""
    if applied is None:
        return tuple(attr for attr in wanted if key(attr) in rules.changeable)
    before, after = _by_key(applied), _by_key(wanted)
    sent: list[Attr] = []
    for name, attributes in after.items():
        if before.get(name) == attributes:
            continue
        if name in rules.changeable:
            sent += attributes
        elif name not in rules.minor:
            return Unchangeable(f"{name} cannot be changed in mid-session")
    for name in before:
        if name in after:
            continue
        if name in rules.neutral:
            sent.append(Attr(before[name][0].name, rules.neutral[name]))
        elif name not in rules.minor:
            return Unchangeable(f"{name} cannot be taken back in mid-session")
    return tuple(sent)


def key(attr: Attr) -> str:
    """What an attribute is about: its name, and of Cisco's, that are for everything, what
    stands before the equals sign."""
    if attr.name != "Cisco-AVPair":
        return attr.name
    return f"{attr.name} {str(attr.value).partition('=')[0]}"


def _by_key(attributes: tuple[Attr, ...]) -> dict[str, list[Attr]]:
    found: dict[str, list[Attr]] = {}
    for attr in attributes:
        found.setdefault(key(attr), []).append(attr)
    return found
