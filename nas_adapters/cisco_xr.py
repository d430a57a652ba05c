"""Cisco IOS-XR as a BNG (vendor 9): everything is a name of something that stands on the box.

It has no words for a rate in bit/s: rates are arguments of a service, or a QoS policy by name
(``subscriber:sub-qos-policy-in=`` and ``-out=``, third-party code only).  So a NAS of this
kind needs a template of service or QoS profile, or its plans need those names themselves; a
plan without either has no rate there.

A service starts by ``subscriber:sa=<service>(arguments)`` and stops by ``subscriber:sd=``
(unconfirmed), in mid-session one a packet, the old one first.  A filter is an access list for
what comes from the subscriber, `subscriber:inacl=` (third-party code only).  The port for CoA
differs by release: set it.
"""

from dataclasses import replace
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
from nas_adapters.changing import Rules, changed, coa, has_rate, without_words
from nas_adapters.cisco import qos_policies
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "cisco_xr"
coa_port = 1700  # unconfirmed
abilities = Abilities()
counting = Counting()

NAMING: Final = ("Acct-Session-Id",)
WORDLESS: Final = "it says rates by name only: give the plan or the NAS a service or QoS profile"
RULES: Final = Rules(
    changeable=frozenset(
        {"Session-Timeout", "Idle-Timeout"}
        | {f"Cisco-AVPair subscriber:sub-qos-policy-{way}" for way in ("in", "out")}
    ),
    naming=NAMING,
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    if profile.service:
        attributes.append(Attr("Cisco-AVPair", f"subscriber:sa={profile.service}"))
    attributes += qos_policies(profile)
    if profile.filter_id:
        attributes.append(Attr("Cisco-AVPair", f"subscriber:inacl={profile.filter_id}"))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    before = None if applied is None else render(replace(applied, service=None))
    rest = changed(render(replace(wanted, service=None)), before, session, RULES)
    if isinstance(rest, Unchangeable):
        return rest
    running = applied.service if applied else None
    if running and not wanted.service and not wanted.qos_profile and has_rate(wanted):
        return Unchangeable(WORDLESS)  # to stop it alone would lift the limit
    steps: tuple[Step, ...] = ()
    for verb, service in (("sd", running), ("sa", wanted.service)):
        if service is None or running == wanted.service:
            continue
        step = coa(session, (Attr("Cisco-AVPair", f"subscriber:{verb}={service}"),), NAMING)
        if isinstance(step, Unchangeable):
            return step
        steps += step
    return without_words(steps + rest, wanted, applied, WORDLESS)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
