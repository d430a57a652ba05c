"""hostapd, also in OpenWrt: who may join, and into which VLAN.  It has no word for a rate.

A VLAN is Tunnel-Private-Group-Id.  The walled garden is one, too: the filter is its number, and
takes the place of a plan's own.  This fails closed with `dynamic_vlan=2`: of a VLAN that it
cannot read it lets nobody in.

In mid-session it ends sessions (`radius_das_port`, off by default) and changes nothing.  It
refuses any attribute outside a short list with Error-Cause 401 (its source): the session, its
station and the two that the client adds are on it, an address and NAS-Port-Id are not.  An
Event-Timestamp outside its window is met with silence.
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
from nas_adapters.changing import without_words
from nas_adapters.generic import standard, tunnel
from nas_adapters.profile import ServiceProfile

name = "hostapd"
coa_port = COA_PORT
abilities = Abilities(can_coa=False, ack_is_proof=True)
counting = Counting()

NAMING: Final = ("Acct-Session-Id", "Acct-Multi-Session-Id", "Calling-Station-Id")
NO_COA: Final = Unchangeable("hostapd takes no CoA of a plan")


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    return (*standard(profile), *tunnel(profile.filter_id or profile.vlan))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    del session
    if applied is None or render(wanted) != render(applied):
        return NO_COA
    return without_words((), wanted, applied, "hostapd has no word for a rate")


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
