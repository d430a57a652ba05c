"""pfSense's captive portal (vendor 13644): rates in bit/s, and no way to reach a session.

It divides the rates by 1000 itself (vendor docs).  It defines no Gigawords, so an amount ends at
4 GiB less one octet: the session ends early, and its next login gets the rest.  Which hosts
a confined subscriber may reach is configured on the box; the filter's name is said all the
same, for a portal that reads it (unconfirmed).

There is no listener for CoA (unconfirmed).  With "reauthenticate users every minute" it asks
again for each active user: that Access-Request is no second session, and its reply is the
way to change or end one.
"""

from typing import Final

from nas_adapters import asking
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
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "pfsense"
coa_port = COA_PORT  # it has none
abilities = Abilities(can_coa=False, can_disconnect=False, max_rate_bps=UINT32_MAX)
counting = Counting()

NO_COA: Final = Unchangeable("pfSense listens to nobody; it asks again each minute if told to")


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, otherwise=Kind.HOTSPOT)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    for direction, bps in (("Up", profile.upload_bps), ("Down", profile.download_bps)):
        if bps is not None:
            attributes.append(Attr(f"pfSense-Bandwidth-Max-{direction}", clamped(bps)))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    if profile.redirect_url:
        attributes.append(Attr("WISPr-Redirection-URL", profile.redirect_url))
    return (*attributes, *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    if profile.limit_octets is None:
        return ()
    return (Attr("pfSense-Max-Total-Octets", clamped(profile.limit_octets)),)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    del session
    return NO_COA if applied is None or render(wanted) != render(applied) else ()


def disconnect(session: SessionRef) -> Step | Unchangeable:
    del session
    return NO_COA
