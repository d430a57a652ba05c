"""Huawei NE40E, ME60 and NE8000 (vendor 2011, BNG numbering): rates as 32-bit integers.

The campus switches give the numbers 1 to 6 other meanings; never use this dialect for one.
Committed and peak rate are bit/s, and input is what comes from the subscriber (vendor docs).
A burst becomes the peak rate, without a limit in time: the box has none.  The committed
burst size is 1.5 s of the rate, in octets (unit unconfirmed).

More than 4.29 Gbit/s cannot be said: such a plan gets 4.29 Gbit/s, or a QoS profile of the
box by name, which takes the place of the rates.  The box lower-cases that name, and takes a
user off line whose profile it does not have (vendor docs).

Filter-Id is the user group, HW-Portal-URL the redirect, a group the domain to which the user
moves.  A service is an EDSG one that starts by itself, ``A<name>`` (third-party code only).

In mid-session it knows a session by Acct-Session-Id alone (third-party code only), and takes
rates, QoS profile, domain and user group.  Rates of zero mean none, unless `user-qos cir-zero`
has been changed (vendor docs).

A limit is HW-Remanent-Volume, what is left of both directions together in KB (vendor docs;
unconfirmed on a device), taken as 1024 octets and rounded up; were it 1000, a session would
end 2 % early and its next login get the rest.  One direction alone it cannot say.  The highest
number means no limit (vendor docs, of the attribute's older form), so it is not said.
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
from nas_adapters.changing import MINOR, Rules, changed
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

VOLUME_MAX: Final = UINT32_MAX - 1

name = "huawei_bng"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=UINT32_MAX)
counting = Counting()

RATES: Final = frozenset(
    f"HW-{direction}-{what}"
    for direction in ("Input", "Output")
    for what in (
        "Committed-Information-Rate",
        "Peak-Information-Rate",
        "Committed-Burst-Size",
    )
)
NAMING: Final = ("Acct-Session-Id",)
RULES: Final = Rules(
    naming=NAMING,
    changeable=RATES
    | {"HW-QOS-Profile-Name", "HW-Domain-Name", "Filter-Id", "Session-Timeout", "Idle-Timeout"},
    neutral=dict.fromkeys(RATES, 0),
    minor=MINOR | {"HW-Remanent-Volume"},
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE, outbound=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile, delegated_pool="HW-Delegated-IPv6-Prefix-Pool")
    burst = profile.burst
    if profile.qos_profile:
        attributes.append(Attr("HW-QOS-Profile-Name", profile.qos_profile))
    else:
        attributes += _rate("Input", profile.upload_bps, burst.upload_bps if burst else 0)
        attributes += _rate("Output", profile.download_bps, burst.download_bps if burst else 0)
    if profile.group:
        attributes.append(Attr("HW-Domain-Name", profile.group))
    if profile.service:
        attributes.append(Attr("HW-Account-Info", f"A{profile.service}"))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    if profile.redirect_url:
        attributes.append(Attr("HW-Portal-URL", profile.redirect_url))
    return (*attributes, *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    if profile.limit_octets is None:
        return ()
    kib = clamped(-(-profile.limit_octets // 1024), most=VOLUME_MAX)
    return (Attr("HW-Remanent-Volume", kib),)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)


def _rate(direction: str, committed_bps: int | None, peak_bps: int) -> list[Attr]:
    if committed_bps is None:
        return []
    return [
        Attr(f"HW-{direction}-Committed-Information-Rate", clamped(committed_bps)),
        Attr(f"HW-{direction}-Peak-Information-Rate", clamped(max(peak_bps, committed_bps))),
        Attr(f"HW-{direction}-Committed-Burst-Size", clamped(committed_bps * 3 // 16)),
    ]
