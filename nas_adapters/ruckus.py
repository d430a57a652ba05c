"""Ruckus SmartZone and ZoneDirector (vendor 25053): WISPr's rates, and a role for all else.

The numbers are of vendor docs, the behaviour is unconfirmed.  A role decides what a station may
reach, so the walled garden is one, and takes the place of a plan's own group.  The unit of
Ruckus-Max-DL-UL-Quota is unknown, so no limit is said.

In mid-session a role changes, and a rate does not; the station and its session name it.
"""

from typing import Final

from nas_adapters import asking, naming
from nas_adapters.base import (
    COA_PORT,
    NO_PATTERNS,
    UINT32_MAX,
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
from nas_adapters.generic import standard, tunnel
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "ruckus"
coa_port = COA_PORT  # unconfirmed
abilities = Abilities(max_rate_bps=UINT32_MAX)
counting = Counting()

NAMING: Final = ("Acct-Session-Id", "Calling-Station-Id")
RULES: Final = Rules(
    changeable=frozenset({"Ruckus-User-Groups", "Session-Timeout", "Idle-Timeout"}), naming=NAMING
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, otherwise=Kind.HOTSPOT)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    if profile.upload_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Up", clamped(profile.upload_bps)))
    if profile.download_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Down", clamped(profile.download_bps)))
    role = profile.filter_id or profile.group
    if role:
        attributes.append(Attr("Ruckus-User-Groups", role))
    if profile.redirect_url:
        attributes.append(Attr("WISPr-Redirection-URL", profile.redirect_url))
    return (*attributes, *tunnel(profile.vlan))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: see above."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
