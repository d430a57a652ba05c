"""Ubiquiti EdgeRouter as a PPPoE server: accel-ppp inside, but other attributes for rates.

RP-Upstream-Speed-Limit and RP-Downstream-Speed-Limit in kbit/s are common in the field
(third-party code only); look into the `[shaper]` section that the router generates, and if it
reads Filter-Id instead, call the NAS `accel_ppp`.  The walled garden is a pool, as there, and
so are the ways of CoA: one matter a packet, and an ACK proves nothing.
"""

from typing import Final

from nas_adapters import accel_ppp, asking, naming
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
    clamped,
)
from nas_adapters.changing import Rules, changed
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

KBIT_MAX: Final = 2**31 - 1

name = "edgerouter"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=KBIT_MAX * 1000)
counting = Counting()

RATES: Final = ("RP-Upstream-Speed-Limit", "RP-Downstream-Speed-Limit")
NAMING: Final = accel_ppp.NAMING
RULES: Final = Rules(changeable=frozenset({*RATES, "Session-Timeout"}), naming=NAMING)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE, otherwise=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(accel_ppp.walled(profile) if profile.filter_id else profile)
    for attribute, bps in zip(RATES, (profile.upload_bps, profile.download_bps), strict=True):
        if bps is not None:
            attributes.append(Attr(attribute, clamped(bps // 1000, most=KBIT_MAX)))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None, as accel-ppp."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    before = None if applied is None else render(applied)
    steps = changed(render(wanted), before, session, RULES)
    return accel_ppp.one_matter_each(steps, session, apart=frozenset({"Session-Timeout"}))


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
