"""Huawei campus switches and WLAN controllers (vendor 2011, campus numbering).

The numbers 1 to 6 mean other things than on a BNG (vendor docs of both families), so its
attributes have names of their own in the dictionary; only the committed rates share numbers.
Rates are bit/s and 32 bits (unit unconfirmed); a burst is the peak rate.  A VLAN comes by
RFC 3580, Filter-Id is an access list, a group HW-Campus-User-Policy, the service scheme.

In mid-session it is known by Acct-Session-Id.  What can be changed is unconfirmed: rates, list
and scheme are tried, a VLAN is not.  IPv6 is counted in attributes of its own (vendor
docs), which are not added: whether the usual ones have it as well is unconfirmed.
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

name = "huawei_campus"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=UINT32_MAX)
counting = Counting()

NAMING: Final = ("Acct-Session-Id",)
RULES: Final = Rules(
    changeable=frozenset(
        f"HW-Campus-{direction}-{what}-Information-Rate"
        for direction in ("Input", "Output")
        for what in ("Committed", "Peak")
    )
    | {"HW-Campus-User-Policy", "Filter-Id", "Session-Timeout", "Idle-Timeout"},
    naming=NAMING,
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, outbound=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    burst = profile.burst
    for direction, bps, peak_bps in (
        ("Input", profile.upload_bps, burst.upload_bps if burst else 0),
        ("Output", profile.download_bps, burst.download_bps if burst else 0),
    ):
        if bps is None:
            continue
        rate = f"HW-Campus-{direction}-%s-Information-Rate"
        attributes.append(Attr(rate % "Committed", clamped(bps)))
        attributes.append(Attr(rate % "Peak", clamped(max(peak_bps, bps))))
    for attribute, value in (
        ("Filter-Id", profile.filter_id),
        ("HW-Campus-User-Policy", profile.group),
        ("HW-Campus-Portal-URL", profile.redirect_url),
    ):
        if value:
            attributes.append(Attr(attribute, value))
    return (*attributes, *tunnel(profile.vlan))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None that is known."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
