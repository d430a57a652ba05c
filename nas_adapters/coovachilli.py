"""CoovaChilli (vendor 14559): rates in kbit/s, limits in octets, and a CoA that forgets.

Its own rates win over WISPr's (its source), and are said alone.  Input is what comes from the
subscriber.  A filter is a Filter-Id, which its scripts may read (unconfirmed), and the
redirect WISPr's: what a confined subscriber may reach is `uamallowed` in its configuration.

A CoA is a new authorisation there: what it does not say is reset to "no limit" (its source).  So
a change says everything that the session shall have, limits and times included, and whoever
wants a limit kept must want it again.  It answers none without a User-Name, listens only
where `coaport` is set, and its refusals have no Error-Cause.
"""

from typing import Final

import msgspec

from core.radius.types import CALLING_STATION_ID
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
    words,
)
from nas_adapters.changing import coa
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

MAC_OCTETS: Final = 17

name = "coovachilli"
coa_port = COA_PORT
abilities = Abilities(ack_is_proof=True, max_rate_bps=UINT32_MAX * 1000)
counting = Counting()

NAMING: Final = ("User-Name", "Acct-Session-Id")
NAMELESS: Final = Unchangeable("CoovaChilli answers nothing without a User-Name")

# An address cannot change in mid-session, and would not be one in a CoA (RFC 5176 §3).
ADDRESSES: Final = frozenset(
    {"Framed-IP-Address", "Framed-Pool", "Framed-IPv6-Prefix", "Framed-IPv6-Pool"}
    | {"Delegated-IPv6-Prefix", "Delegated-IPv6-Prefix-Pool", "CoovaChilli-VLAN-Id"}
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    found = asking.identify(request, patterns, otherwise=Kind.HOTSPOT)
    if found.kind is Kind.HOTSPOT and found.mac is not None:
        # Its MAC login may have a suffix (`macsuffix`).
        calling = request.first.get(CALLING_STATION_ID, b"")
        if len(calling) == MAC_OCTETS and found.login.startswith(calling):
            return msgspec.structs.replace(found, kind=Kind.MAC)
    return found


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    for direction, bps in (("Up", profile.upload_bps), ("Down", profile.download_bps)):
        if bps is not None:
            kbit = clamped(bps // 1000)
            attributes.append(Attr(f"CoovaChilli-Bandwidth-Max-{direction}", kbit))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    if profile.redirect_url:
        attributes.append(Attr("WISPr-Redirection-URL", profile.redirect_url))
    if profile.vlan is not None:
        attributes.append(Attr("CoovaChilli-VLAN-Id", profile.vlan))
    return (*attributes, *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes: list[Attr] = []
    for what, octets in (
        ("Input", profile.limit_upload_octets),
        ("Output", profile.limit_download_octets),
        ("Total", profile.limit_octets),
    ):
        if octets is not None:
            low, gigawords = words(octets)
            attributes += [
                Attr(f"CoovaChilli-Max-{what}-Octets", low),
                Attr(f"CoovaChilli-Max-{what}-Gigawords", gigawords),
            ]
    return tuple(attributes)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    if not session.user_name:
        return NAMELESS
    said = render(wanted)
    if applied is not None:
        before = render(applied)
        if before == said:
            return ()
        if _addresses(before) != _addresses(said):
            return Unchangeable("an address or VLAN cannot be changed in mid-session")
    state = tuple(attr for attr in said if attr.name not in ADDRESSES)
    return coa(session, state, NAMING)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING) if session.user_name else NAMELESS


def _addresses(attributes: tuple[Attr, ...]) -> list[Attr]:
    return [attr for attr in attributes if attr.name in ADDRESSES]
