"""ZTE M6000 and M6000-S as a BRAS (vendor 3902): rates as integers, in kbit/s.

The unit is disputed: three projects of ISPs send kbit/s, one sends bit/s (third-party code
only).  This dialect says kbit/s; `zte_bps` is the same for a box that reads bit/s.  Test with a
speed measurement which one yours is: the wrong one is off by a thousand.

Rates stand for the sustained rate (SCR); a burst is left out, because the unit of its
attributes is unconfirmed.  A QoS profile of the box by name takes the place of rates.  IPv6
has attributes of its own (228 to 237), of which nobody knows whether they must be sent as
well: look at a dual-stack session.  The attribute that makes of a timeout a volume stands in
no dictionary, so no limit is said.
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
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "zte"
coa_port = COA_PORT  # unconfirmed
abilities = Abilities(max_rate_bps=UINT32_MAX * 1000)
counting = Counting()

NAMING: Final = ("User-Name", "Acct-Session-Id")  # unconfirmed
RULES: Final = Rules(
    changeable=frozenset(
        {"ZTE-Rate-Ctrl-SCR-Up", "ZTE-Rate-Ctrl-SCR-Down", "ZTE-QOS-Profile-Up"}
        | {"ZTE-QoS-Profile-Down", "Filter-Id", "Session-Timeout", "Idle-Timeout"}
    ),
    naming=NAMING,
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, named_by_mac=Kind.IPOE)


def render(profile: ServiceProfile, *, unit_bps: int = 1000) -> tuple[Attr, ...]:
    attributes = standard(profile)
    if profile.qos_profile or profile.upload_qos_profile:
        up = profile.upload_qos_profile or profile.qos_profile
        for attribute, named in (
            ("ZTE-QOS-Profile-Up", up),
            ("ZTE-QoS-Profile-Down", profile.qos_profile),
        ):
            if named:
                attributes.append(Attr(attribute, named))
    else:
        for direction, bps in (("Up", profile.upload_bps), ("Down", profile.download_bps)):
            if bps is not None:
                rate = clamped(bps // unit_bps)
                attributes.append(Attr(f"ZTE-Rate-Ctrl-SCR-{direction}", rate))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    return tuple(attributes)


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: see above."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
