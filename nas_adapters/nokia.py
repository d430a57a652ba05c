"""Nokia 7750 SR (SR OS, vendor 6527): profiles by name, and their rates overridden in kbit/s.

A plan's QoS profile is the SLA profile, its group the subscriber profile; the rates are
overrides of queue 1, ``i:q:1:pir=5000,cir=5000`` for what comes in from the subscriber and
``e:`` for what goes out to it (third-party code only).  Overrides replace those before them
(unconfirmed), so both directions are always said together.  A filter is a subscriber filter,
in the box's own words.

A pool together with an address would fail the host (vendor docs); no dialect says both.

In mid-session Acct-Session-Id names the whole dual-stack session; with NAS-Port-Id and an
address beside it, a disagreement would be NAK 503 (vendor docs), so those stand in only where
there is no session id.  What it does not support in a CoA it ignores without a word: an ACK
proves nothing (vendor docs).
"""

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
from nas_adapters.changing import Rules, changed
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

QUEUE: Final = 1

name = "nokia"
coa_port = COA_PORT  # unconfirmed
abilities = Abilities(ack_is_proof=False)
counting = Counting()

BY_SESSION: Final = ("Acct-Session-Id",)
BY_ADDRESS: Final = ("NAS-Port-Id", "Framed-IP-Address")
CHANGEABLE: Final = frozenset(
    {"Alc-SLA-Prof-Str", "Alc-Subsc-Prof-Str", "Alc-Subscriber-QoS-Override"}
    | {"Alc-Subscriber-Filter", "Session-Timeout", "Idle-Timeout"}
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(
        profile, ipv6_pool="Alc-SLAAC-IPv6-Pool", delegated_pool="Alc-Delegated-IPv6-Pool"
    )
    for attribute, value in (
        ("Alc-Subsc-Prof-Str", profile.group),
        ("Alc-SLA-Prof-Str", profile.qos_profile),
        ("Alc-Subscriber-Filter", profile.filter_id),
    ):
        if value:
            attributes.append(Attr(attribute, value))
    for direction, bps in (("i", profile.upload_bps), ("e", profile.download_bps)):
        if bps is not None:
            kbit = max(bps // 1000, 1)
            override = f"{direction}:q:{QUEUE}:pir={kbit},cir={kbit}"
            attributes.append(Attr("Alc-Subscriber-QoS-Override", override))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: how Alc-Credit-Control-Quota is written is unconfirmed."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    rules = Rules(changeable=CHANGEABLE, naming=_naming(session))
    return changed(render(wanted), None if applied is None else render(applied), session, rules)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, _naming(session))


def _naming(session: SessionRef) -> tuple[str, ...]:
    return BY_SESSION if session.acct_session_id else BY_ADDRESS
