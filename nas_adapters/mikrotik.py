"""MikroTik RouterOS (vendor 14988): a rate is one line of text, from the router's side.

``rx/tx [burst/burst threshold/threshold time/time priority]``: the router receives what the
subscriber uploads, so upload comes first.  k and M are 10^3 and 10^6; anything else is
written out in bit/s (vendor docs).  The line is text, so nothing is clamped; RouterOS 6
queues end at 4.29 Gbit/s all the same (unconfirmed).  A missing direction is written 0, the
queue's word for "no limit" (unconfirmed).

A filter is the name of an address list, to which the router adds the session's address:
what the walled garden's firewall rules match.  It is no Filter-Id, because that would name
a firewall chain.  The redirection URL works for hotspot logins only.

A group is a ppp profile or a hotspot user profile, by name; one that the router does not have
ends in a refused session (unconfirmed).  A pool for delegated prefixes is MikroTik's own
attribute, which v6 and v7 understand; the RFC's came later (unconfirmed).  The two versions
differ in nothing else that is said here: v7 wants each reply signed, which each is.

A name that is the caller's MAC is DHCP's, unless WISPr's or MikroTik's mark of a hotspot is
there.  A Service-Type of Login without such a mark is the router's own prompt (ssh, WinBox;
unconfirmed): whom we let in there would be at its console, in `/user aaa`'s default group.

Limits are octets of the session, each in two attributes: the low 32 bits, and Gigawords in
units of 2^32.  Recv is what the router receives, the upload; Xmit the download (vendor
docs, which contradict themselves on the direction of counters: look at a session).
"""

from typing import Final

from msgspec.structs import replace

from core.radius.types import SERVICE_TYPE
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
    words,
)
from nas_adapters.changing import MINOR, Rules, changed
from nas_adapters.generic import standard
from nas_adapters.identity import Kind
from nas_adapters.profile import Burst, ServiceProfile

# 1 to 8.  8 is the lowest and RouterOS's default: all subscribers weigh the same.
PRIORITY: Final = 8

# Their rate is reported to change by CoA only sometimes (third-party code only).
HOTSPOT_KINDS: Final = frozenset({Kind.HOTSPOT, Kind.MAC})

name = "mikrotik"
coa_port = COA_PORT  # its manual says 1700, its wiki 3799: look at `/radius incoming`
abilities = Abilities(ack_is_proof=True, api="routeros")
counting = Counting()

# Its manual's list (vendor docs).  Filters are on none: an address list is reported to be
# added by CoA (third-party code only) and by nobody to be removed, so a walled garden begins
# and ends with a login.
RULES: Final = Rules(
    changeable=frozenset(
        {"Mikrotik-Rate-Limit", "Mikrotik-Group", "Session-Timeout", "Idle-Timeout"}
        | {"Mikrotik-Recv-Limit", "Mikrotik-Recv-Limit-Gigawords"}
        | {"Mikrotik-Xmit-Limit", "Mikrotik-Xmit-Limit-Gigawords"}
    ),
    minor=MINOR
    | {"Mikrotik-Recv-Limit", "Mikrotik-Recv-Limit-Gigawords"}
    | {"Mikrotik-Xmit-Limit", "Mikrotik-Xmit-Limit-Gigawords"}
    | {"Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords"},
    neutral={"Mikrotik-Rate-Limit": "0/0"},
)


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    found = asking.identify(request, patterns, named_by_mac=Kind.IPOE)
    if found.kind is Kind.LOGIN and request.first.get(SERVICE_TYPE) in asking.SERVICE_TYPED:
        return replace(found, kind=Kind.ADMIN)
    return found


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile, delegated_pool="Mikrotik-Delegated-IPv6-Pool")
    if profile.group:
        attributes.append(Attr("Mikrotik-Group", profile.group))
    if profile.upload_bps is not None or profile.download_bps is not None:
        attributes.append(Attr("Mikrotik-Rate-Limit", rate_limit(profile)))
    if profile.filter_id:
        attributes.append(Attr("Mikrotik-Address-List", profile.filter_id))
    if profile.redirect_url:
        attributes.append(Attr("WISPr-Redirection-URL", profile.redirect_url))
    return (*attributes, *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes: list[Attr] = []
    for what, octets in (
        ("Recv", profile.limit_upload_octets),
        ("Xmit", profile.limit_download_octets),
        ("Total", profile.limit_octets),
    ):
        if octets is not None:
            low, gigawords = words(octets)
            attributes += [
                Attr(f"Mikrotik-{what}-Limit", low),
                Attr(f"Mikrotik-{what}-Limit-Gigawords", gigawords),
            ]
    return tuple(attributes)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    steps = changed(render(wanted), None if applied is None else render(applied), session, RULES)
    if session.kind in HOTSPOT_KINDS and _says_a_rate(steps):
        return Unchangeable("a hotspot's rate does not reliably change by CoA on RouterOS")
    return steps


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session)


def _says_a_rate(steps: tuple[Step, ...] | Unchangeable) -> bool:
    return not isinstance(steps, Unchangeable) and any(
        attr.name == "Mikrotik-Rate-Limit" for step in steps for attr in step.attributes
    )


def rate_limit(profile: ServiceProfile) -> str:
    """`5M/20M`, or with a burst `5M/20M 10M/40M 4M/15M 16/16 8`."""
    upload_bps, download_bps = profile.upload_bps, profile.download_bps
    rates = f"{_text(upload_bps)}/{_text(download_bps)}"
    burst = profile.burst
    if burst is None or upload_bps is None or download_bps is None:
        return rates  # without a rate there is nothing to burst above
    faster = (max(burst.upload_bps, upload_bps), max(burst.download_bps, download_bps))
    upload_threshold_bps, download_threshold_bps = _thresholds(burst, upload_bps, download_bps)
    time_s = max(burst.time_s, 1)
    return (
        f"{rates} {_text(faster[0])}/{_text(faster[1])}"
        f" {_text(upload_threshold_bps)}/{_text(download_threshold_bps)}"
        f" {time_s}/{time_s} {PRIORITY}"
    )


def _thresholds(burst: Burst, upload_bps: int, download_bps: int) -> tuple[int, int]:
    """Upload and download.  A plan names the download's; the upload's is in proportion.

    The proportion is that of the two rates, so both directions burst for equally long.
    """
    download_threshold_bps = burst.threshold_bps or download_bps
    upload_threshold_bps = burst.upload_threshold_bps
    if upload_threshold_bps is None:
        upload_threshold_bps = upload_bps * download_threshold_bps // max(download_bps, 1)
        if upload_threshold_bps >= 1000:
            upload_threshold_bps -= upload_threshold_bps % 1000
    return upload_threshold_bps, download_threshold_bps


def _text(bps: int | None) -> str:
    if bps is None:
        return "0"
    bps = max(bps, 1)  # a rate of zero would lift the limit
    if bps % 1_000_000 == 0:
        return f"{bps // 1_000_000}M"
    if bps % 1_000 == 0:
        return f"{bps // 1_000}k"
    return str(bps)
