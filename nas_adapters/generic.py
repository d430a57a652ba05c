"""The plain dialect: what the RFCs define, and WISPr's rates for a box of no known make.

`standard` is the part that every vendor understands; the other dialects begin with it and
add their own.  Service-Type and Framed-Protocol are left out on purpose: they depend on the
request (PPP or not), which a dialect does not see, and no box here needs them in the reply.

A burst is left out: WISPr knows one maximum, and the plan's rate is the one that was sold.
Rates above 4.29 Gbit/s are said as 4.29 Gbit/s, all that 32 bits hold.
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
from nas_adapters.profile import ServiceProfile

INTERIM_MIN_S: Final = 60  # RFC 2869 §5.16: must not be smaller
VLAN: Final = 13  # of Tunnel-Type
IEEE_802: Final = 6  # of Tunnel-Medium-Type

name = "generic"
coa_port = COA_PORT
abilities = Abilities(max_rate_bps=UINT32_MAX)
counting = Counting()

# RFC 5176 §3.6, as far as this dialect says them, and a vendor's attributes.  Whether a box
# takes them is for it to say; an address it cannot take.
RULES: Final = Rules(
    changeable=frozenset(
        {"WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", "Filter-Id"}
        | {"WISPr-Redirection-URL", "Session-Timeout", "Idle-Timeout", "Acct-Interim-Interval"}
    )
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    if profile.upload_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Up", clamped(profile.upload_bps)))
    if profile.download_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Down", clamped(profile.download_bps)))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    if profile.redirect_url:
        attributes.append(Attr("WISPr-Redirection-URL", profile.redirect_url))
    return (*attributes, *tunnel(profile.vlan))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    """None: the RFCs know a limit in time only."""
    del profile
    return ()


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    return changed(render(wanted), None if applied is None else render(applied), session, RULES)


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session)


def tunnel(vlan: int | str | None) -> tuple[Attr, ...]:
    """A VLAN in the words of RFC 3580 §3.31; the tag is zero, which every box understands."""
    if vlan is None:
        return ()
    return (
        Attr("Tunnel-Type", VLAN, tag=0),
        Attr("Tunnel-Medium-Type", IEEE_802, tag=0),
        Attr("Tunnel-Private-Group-Id", str(vlan), tag=0),
    )


def standard(
    profile: ServiceProfile,
    *,
    with_pool: bool = True,
    ipv6_pool: str = "Framed-IPv6-Pool",
    delegated_pool: str = "Delegated-IPv6-Prefix-Pool",
) -> list[Attr]:
    """Addresses and times.  No rate and no filter: those are a dialect's own.

    The last two are the attributes that name IPv6 pools (RFC 3162 §2.6, RFC 6911 §3.5).
    """
    attributes: list[Attr] = []
    if profile.static_ipv4 is not None:
        # An address excludes the pool: boxes differ in which of the two they would believe.
        attributes.append(Attr("Framed-IP-Address", str(profile.static_ipv4)))
    elif profile.address_pool and with_pool:
        attributes.append(Attr("Framed-Pool", profile.address_pool))
    if profile.static_ipv6_prefix is not None:
        attributes.append(Attr("Framed-IPv6-Prefix", str(profile.static_ipv6_prefix)))
    elif profile.ipv6_pool:
        attributes.append(Attr(ipv6_pool, profile.ipv6_pool))
    if profile.delegated_ipv6 is not None:
        attributes.append(Attr("Delegated-IPv6-Prefix", str(profile.delegated_ipv6)))
    elif profile.delegated_ipv6_pool:
        attributes.append(Attr(delegated_pool, profile.delegated_ipv6_pool))
    if profile.session_timeout_s:
        attributes.append(Attr("Session-Timeout", clamped(profile.session_timeout_s)))
    if profile.idle_timeout_s:
        attributes.append(Attr("Idle-Timeout", clamped(profile.idle_timeout_s)))
    if profile.interim_s:
        interim_s = clamped(profile.interim_s, least=INTERIM_MIN_S)
        attributes.append(Attr("Acct-Interim-Interval", interim_s))
    return attributes
