"""accel-ppp: its default shaper reads Filter-Id as ``download/upload`` in kbit/s.

Bare numbers, because its suffix G multiplies by ten times too much; zero for a direction
without a limit, and one for a rate that would round to it (its source, `shaper.c`).  Rates
are 32-bit and signed there.  A burst is left out: the shaper takes its factor from the box's
configuration.

The walled garden cannot be a Filter-Id, which is the shaper's, and accel-ppp has no filters
of its own.  So the filter names an address *pool* (``[ip-pool] 10.9.0.0/16,name=walled-garden``)
whose range the host's firewall confines, and it takes the place of everything else that
would give an address: pool, static IPv4, IPv6 prefixes.  This fails closed: of a pool that the
box does not know it gives no address (`ippool.c`), and the session does not come up.  Where
`[ip-pool] attr=` has been changed from Framed-Pool, or IPv6 comes from a pool of the box's
own, the box must be configured to match.  Neither is a URL redirected by attribute.

In mid-session it stops at the first of shaper and Session-Timeout that it likes, so each
packet says one thing; and it acknowledges what it did not look at (its source).
"""

from dataclasses import replace
from typing import Final

from nas_adapters import asking, naming
from nas_adapters.base import (
    COA_PORT,
    NO_PATTERNS,
    Abilities,
    Attr,
    Counting,
    Identity,
    Patterns,
    Request,
    SessionRef,
    Step,
    Unchangeable,
    Verb,
    clamped,
)
from nas_adapters.changing import Rules, changed
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

KBIT_MAX: Final = 2**31 - 1

name = "accel_ppp"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=KBIT_MAX * 1000)
counting = Counting()

# A NAS-Identifier or NAS-IP-Address that differs from its configuration is a refusal.
NAMING: Final = ("User-Name", "Acct-Session-Id")
RULES: Final = Rules(
    changeable=frozenset({"Filter-Id", "Session-Timeout"}),
    neutral={"Filter-Id": "0/0"},
    naming=NAMING,
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE, otherwise=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(walled(profile) if profile.filter_id else profile)
    if profile.download_bps is not None or profile.upload_bps is not None:
        shaper = f"{_kbit(profile.download_bps)}/{_kbit(profile.upload_bps)}"
        attributes.append(Attr("Filter-Id", shaper))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: it counts and has no attribute to stop at an amount."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    steps = changed(render(wanted), None if applied is None else render(applied), session, RULES)
    return one_matter_each(steps, session)


def one_matter_each(
    steps: tuple[Step, ...] | Unchangeable,
    session: SessionRef,
    *,
    apart: frozenset[str] = frozenset({"Filter-Id", "Session-Timeout"}),
) -> tuple[Step, ...] | Unchangeable:
    """Each attribute of `apart` in a packet of its own, after all the rest together."""
    if isinstance(steps, Unchangeable):
        return steps
    identification = naming.named(session, NAMING)
    attributes = [attr for step in steps for attr in step.attributes[len(identification) :]]
    matters = [(attr,) for attr in attributes if attr.name in apart]
    together = tuple(attr for attr in attributes if attr.name not in apart)
    return tuple(
        Step(Verb.COA, identification + matter)
        for matter in ([together] if together else []) + matters
    )


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)


def walled(profile: ServiceProfile) -> ServiceProfile:
    return replace(
        profile,
        address_pool=profile.filter_id,
        static_ipv4=None,
        static_ipv6_prefix=None,
        delegated_ipv6=None,
    )


def _kbit(bps: int | None) -> int:
    return 0 if bps is None else clamped(bps // 1000, most=KBIT_MAX)
