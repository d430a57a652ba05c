"""Cambium ePMP and cnMaestro (vendor 17713): rates in kbit/s, quotas in octets.

The rate is the maximum burst rate, the only one there is (third-party code only).  Quotas are in
two attributes each; their second is spelled ``Gigwords``, officially.  A walled garden is
Cambium-Walled-Garden-State (its values unconfirmed: 1 is in), with the filter's name beside it.

Nothing is known to change in mid-session; a Disconnect knows the station (unconfirmed).
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
    words,
)
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

CONFINED: Final = 1

name = "cambium"
coa_port = COA_PORT  # unconfirmed
abilities = Abilities(can_coa=False, max_rate_bps=UINT32_MAX * 1000)
counting = Counting()

NAMING: Final = ("Calling-Station-Id",)
NO_COA: Final = Unchangeable("a Cambium takes no CoA that is known")


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, otherwise=Kind.HOTSPOT)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    for direction, bps in (("Up", profile.upload_bps), ("Down", profile.download_bps)):
        if bps is not None:
            rate = clamped(bps // 1000)
            attributes.append(Attr(f"Cambium-ePMP-Max-Burst-{direction}link-Rate", rate))
    if profile.filter_id:
        attributes.append(Attr("Cambium-Walled-Garden-State", CONFINED))
        attributes.append(Attr("Filter-Id", profile.filter_id))
    if profile.vlan is not None:
        attributes.append(Attr("Cambium-ePMP-Data-VLAN-Id", profile.vlan))
    return (*attributes, *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes: list[Attr] = []
    for what, octets in (
        ("Up", profile.limit_upload_octets),
        ("Down", profile.limit_download_octets),
        ("Total", profile.limit_octets),
    ):
        if octets is not None:
            low, gigawords = words(octets)
            attributes += [
                Attr(f"Cambium-Traffic-Quota-Limit-{what}", low),
                Attr(f"Cambium-Traffic-Quota-Limit-{what}-Gigwords", gigawords),
            ]
    return tuple(attributes)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    del session
    return NO_COA if applied is None or render(wanted) != render(applied) else ()


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
