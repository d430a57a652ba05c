"""What a subscriber is to get, in nobody's dialect.  Vendors translate it.

Rates are bits per second, decimal (50M = 50_000_000); times are seconds, limits octets.
None leaves the choice to the NAS.  Upload and download are the subscriber's view.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network
from typing import Final

# Every vendor can say a name (pool, filter, URL) of this many octets: 247 fit a
# vendor-specific attribute (RFC 2865 §5.26), and some dialects put a word in front.
NAME_OCTETS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Burst:
    """A faster rate for a while: up to `download_bps` until the mean passes `threshold_bps`."""

    download_bps: int
    upload_bps: int
    threshold_bps: int | None = None  # None: the plain rate is the threshold
    time_s: int = 1
    upload_threshold_bps: int | None = None  # None: in proportion to the rates


@dataclass(frozen=True, slots=True)
class ServiceProfile:
    """One service, complete: what an Access-Accept says and what a CoA restores."""

    download_bps: int | None = None
    upload_bps: int | None = None
    burst: Burst | None = None
    address_pool: str | None = None
    static_ipv4: IPv4Address | None = None
    static_ipv6_prefix: IPv6Network | None = None  # on the link (RFC 3162 §2.3)
    delegated_ipv6: IPv6Network | None = None  # to route behind (RFC 4818)
    session_timeout_s: int | None = None  # 0 is None
    interim_s: int | None = 300  # 0 is None
    filter_id: str | None = None  # a list or filter that the NAS knows, e.g. "walled-garden"
    redirect_url: str | None = None
    # What this session may carry before the NAS ends it by itself: the rest of a quota, for
    # when nobody reaches the NAS to say so (a backstop).  0 is said as the least there is.
    limit_octets: int | None = None  # both directions together
    limit_download_octets: int | None = None
    limit_upload_octets: int | None = None
    idle_timeout_s: int | None = None  # 0 is None
    ipv6_pool: str | None = None  # for the link
    delegated_ipv6_pool: str | None = None
    vlan: int | None = None
    # Names of what stands on the box: see each dialect, and `templates` for names by NAS.
    service: str | None = None  # a service or its template, with arguments where it takes them
    qos_profile: str | None = None  # rates by name; towards the subscriber if there are two
    upload_qos_profile: str | None = None  # None: `qos_profile` is for both directions
    group: str | None = None  # a user group, role, domain or subscriber profile
