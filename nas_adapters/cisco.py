"""Cisco ISG on IOS-XE (vendor 9): most things are text, ``protocol:attribute=value``.

Rates in bit/s go into the user profile as Cisco-Account-Info
``QU;rate;normal burst;extended burst;D;rate;normal;extended``, the policer that needs no
policy on the box (vendor docs; unconfirmed on a device).  A service profile would say the
same in Cisco-Service-Info, and a named QoS policy `subscriber:sub-qos-policy-in=`; a plan
has only rates, so neither is used.  The bursts are octets, from Cisco's rule for policers:
1.5 s of the rate, and twice that.  A plan's own burst is left out: a policer can be patient,
but has no faster rate.  Text, so nothing wraps; each release has its own highest rate.

A filter is the name of an access list that stands on the box and is applied to what comes
from the subscriber, `ip:inacl=` (unconfirmed); a list that does not exist permits all, so
check it on the box.  A redirect needs a server group there (`ip:l4redirect=`), not a URL, so
`redirect_url` is not said.  IOS-XR uses other words (`subscriber:inacl=`): not this dialect.
"""

from typing import Final

from nas_adapters import asking, naming
from nas_adapters.base import (
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
)
from nas_adapters.changing import Rules, changed
from nas_adapters.generic import standard
from nas_adapters.profile import ServiceProfile

name = "cisco"
coa_port = 1700  # of `aaa server radius dynamic-author` (unconfirmed)
abilities = Abilities()
counting = Counting()

RULES: Final = Rules(
    changeable=frozenset({"Cisco-Account-Info", "Session-Timeout", "Idle-Timeout"})
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile, with_pool=False)
    if profile.address_pool and profile.static_ipv4 is None:
        attributes.append(Attr("Cisco-AVPair", f"ip:addr-pool={profile.address_pool}"))
    if profile.upload_bps is not None or profile.download_bps is not None:
        attributes.append(Attr("Cisco-Account-Info", policer(profile)))
    if profile.filter_id:
        attributes.append(Attr("Cisco-AVPair", f"ip:inacl={profile.filter_id}"))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: volume is cut by a prepaid service of the box, not by a user's attribute."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session)


def policer(profile: ServiceProfile) -> str:
    """Both directions, or the one that is limited; the first follows the Q."""
    parts = [
        f"{direction};{_rate(bps)}"
        for direction, bps in (("U", profile.upload_bps), ("D", profile.download_bps))
        if bps is not None
    ]
    return "Q" + ";".join(parts)


def _rate(bps: int) -> str:
    bps = max(bps, 1)
    normal_burst_octets = max(bps * 3 // 16, 1)  # 1.5 s, in octets
    return f"{bps};{normal_burst_octets};{2 * normal_burst_octets}"
