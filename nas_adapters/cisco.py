"""Cisco ISG on IOS-XE (vendor 9): most things are text, ``protocol:attribute=value``.

Rates in bit/s go into the user profile as Cisco-Account-Info
``QU;rate;normal burst;extended burst;D;rate;normal;extended``, the policer that needs no
policy on the box (vendor docs; unconfirmed on a device).  The bursts are octets, from Cisco's
rule for policers: 1.5 s of the rate, and twice that.  A plan's own burst is left out: a
policer can be patient, but has no faster rate.  Text, so nothing wraps; each release has its
own highest rate.  A QoS policy by name takes the place of the rates (``subscriber:
sub-qos-policy-in=`` from the subscriber, ``-out=`` towards it: third-party code only), and a
service is one that starts by itself, Cisco-Account-Info ``A<name>``.

A filter is the name of an access list that stands on the box and is applied to what comes
from the subscriber, `ip:inacl=` (unconfirmed); a list that does not exist permits all, so
check it on the box.  A redirect needs a server group there (`ip:l4redirect=`), not a URL, so
`redirect_url` is not said.  IOS-XR uses other words: `cisco_xr`.

In mid-session one service is stopped and another started by commands, each in a packet of its
own (third-party code only); rates and policies are said again as at login (unconfirmed).
Filter and address are not: a new login brings those.

A NAS-Port-Id such as tty2 is a terminal of the box itself, its exec, which sends no Service-Type
unless it is told to (unconfirmed): a subscriber's password opens none.
"""

from dataclasses import replace
from typing import Final

import msgspec

from core.radius.types import NAS_PORT_ID
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
from nas_adapters.changing import Rules, changed, coa
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "cisco"
coa_port = 1700  # of `aaa server radius dynamic-author` (unconfirmed)
abilities = Abilities()
counting = Counting()

_TERMINAL: Final = b"tty"

NAMING: Final = ("User-Name", "Acct-Session-Id")
RULES: Final = Rules(
    changeable=frozenset(
        {"Cisco-Account-Info", "Session-Timeout", "Idle-Timeout"}
        | {f"Cisco-AVPair subscriber:sub-qos-policy-{way}" for way in ("in", "out")}
    ),
    naming=NAMING,
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    found = asking.identify(request, patterns, named_by_mac=Kind.IPOE)
    if found.kind is Kind.LOGIN and request.first.get(NAS_PORT_ID, b"").startswith(_TERMINAL):
        return msgspec.structs.replace(found, kind=Kind.ADMIN)
    return found


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile, with_pool=False)
    if profile.address_pool and profile.static_ipv4 is None:
        attributes.append(Attr("Cisco-AVPair", f"ip:addr-pool={profile.address_pool}"))
    if profile.service:
        attributes.append(Attr("Cisco-Account-Info", f"A{profile.service}"))
    attributes += _rates(profile)
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
    before = None if applied is None else render(replace(applied, service=None))
    rest = changed(render(replace(wanted, service=None)), before, session, RULES)
    if isinstance(rest, Unchangeable):
        return rest
    services = _services(wanted.service, applied.service if applied else None, session)
    return services if isinstance(services, Unchangeable) else services + rest


def _services(
    wanted: str | None, running: str | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    if wanted == running:
        return ()
    steps: tuple[Step, ...] = ()
    for verb, service in (("deactivate", running), ("activate", wanted)):
        if service is None:
            continue
        command = Attr("Cisco-AVPair", f"subscriber:command={verb}-service")
        named = Attr("Cisco-AVPair", f"subscriber:service-name={service}")
        step = coa(session, (command, named), NAMING)
        if isinstance(step, Unchangeable):
            return step
        steps += step
    return steps


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)


def _rates(profile: ServiceProfile) -> list[Attr]:
    if profile.qos_profile or profile.upload_qos_profile:
        return qos_policies(profile)
    if profile.upload_bps is None and profile.download_bps is None:
        return []
    return [Attr("Cisco-Account-Info", policer(profile))]


def qos_policies(profile: ServiceProfile) -> list[Attr]:
    """Policies of the box by name; what comes from the subscriber is `in`."""
    names = (
        ("in", profile.upload_qos_profile or profile.qos_profile),
        ("out", profile.qos_profile),
    )
    return [
        Attr("Cisco-AVPair", f"subscriber:sub-qos-policy-{way}={name}")
        for way, name in names
        if name
    ]


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
