"""Juniper MX as a BNG (Junos; ERX attributes, 4874): plans are services with arguments.

It has no words for a rate of its own here: ERX-Service-Activate starts a service of the box by
name, ``svc-internet(5m,20m)``, and what the arguments mean is that service's affair.  So a NAS
of this kind needs a template for `service`, or its plans name theirs; a plan without either
has no rate there.  The attribute is a tagged text, with tag 1 (dictionary; the octets are
verified by calculation); that which stops it has none.

A filter is an ingress policy by name: what comes from the subscriber.  A volume belongs to a
service and its unit is unconfirmed, so none is said.  IPv6 is counted in attributes of its own
(vendor docs), which are not added: whether the usual ones have it as well is unconfirmed.

In mid-session it knows a session by Acct-Session-Id alone (third-party code only).  A service
is changed by stopping the old and starting the new in two packets: one change a packet is the
safe pattern.  With `coa-immediate-update` an Interim follows at once (vendor docs).
"""

from dataclasses import replace
from typing import Final

from nas_adapters import asking, naming
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
)
from nas_adapters.changing import Rules, changed, coa, has_rate, without_words
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

TAG: Final = 1

name = "juniper"
coa_port = COA_PORT  # vendor docs
abilities = Abilities()
counting = Counting()

NAMING: Final = ("Acct-Session-Id",)
WORDLESS: Final = "it says rates by name only: give the plan or the NAS a service"
RULES: Final = Rules(changeable=frozenset({"Session-Timeout", "Idle-Timeout"}), naming=NAMING)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile, delegated_pool="ERX-IPv6-Delegated-Pool-Name")
    if profile.service:
        attributes.append(Attr("ERX-Service-Activate", profile.service, tag=TAG))
    if profile.filter_id:
        attributes.append(Attr("ERX-Ingress-Policy-Name", profile.filter_id))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: see above."""
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
    if running and not wanted.service and has_rate(wanted):
        return Unchangeable(WORDLESS)  # to stop it alone would lift the limit
    if wanted.service == running:
        return without_words(rest, wanted, applied, WORDLESS)
    services = []
    if running:
        services.append(Attr("ERX-Service-Deactivate", running))
    if wanted.service:
        services.append(Attr("ERX-Service-Activate", wanted.service, tag=TAG))
    steps: tuple[Step, ...] = ()
    for service in services:
        step = coa(session, (service,), NAMING)
        if isinstance(step, Unchangeable):
            return step
        steps += step
    return steps + rest


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
