"""What a login needs to know, as the directory keeps it: three records and their octets.

Knows neither the table they come from nor the file they lie in.  A record that an older
version wrote is not read but rebuilt: `FORMAT` says which is which.
"""

import msgspec

from aaa.on_nas import NOTHING, OnNas
from aaa.places import LiveSession
from aaa.policy import Hold

FORMAT = b"6"  # change it with any change of a record below


class NasRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A box that may ask."""

    id: int
    tenant_id: int
    name: str
    network: str  # an address is a network of one
    identifier: str  # NAS-Identifier, or empty
    secret_sealed: bytes
    vendor: str
    require_message_authenticator: bool
    # As the operator wrote them; `NasTable` reads them once.
    line_patterns: dict[str, str] = {}
    name_templates: dict[str, str] = {}
    unknown_profile_id: int = 0  # what a device that nobody knows gets; 0: nothing


class Quota(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How much a plan includes, in octets, seconds or both, and what follows."""

    octets: int | None
    time_s: int | None
    direction: str  # total | download | upload: the octets that count
    at: str  # throttle | block | walled_garden | nothing
    fup_download_bps: int | None
    fup_upload_bps: int | None
    is_weighed: bool  # in some zone an octet does not count as one


class ServerPool(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A pool of ours that a plan gives out of."""

    id: int
    kind: str  # `pools_plan`
    name: str


class ProfileRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a plan gives, in bits per second and seconds; None leaves it to the NAS."""

    id: int
    tenant_id: int
    code: str
    download_bps: int | None
    upload_bps: int | None
    burst_download_bps: int | None
    burst_upload_bps: int | None
    burst_threshold_bps: int | None
    burst_time_s: int | None
    session_limit: int
    at_limit: str
    session_timeout_s: int | None
    interim_s: int | None
    address_pool: str | None  # one that the NAS has
    quota: Quota | None = None
    pools: tuple[ServerPool, ...] = ()  # of ours, one of a kind at most
    on_nas: OnNas = NOTHING

    @property
    def counts_sessions(self) -> bool:
        """Whether the open sessions of its subscribers matter at a login: they are limited, or
        each gets a part of what is left of a quota.  `rows.COUNTS_SESSIONS` says it in SQL."""
        return self.session_limit > 0 or (self.quota is not None and self.quota.at != "nothing")


class Personal(msgspec.Struct, frozen=True, array_like=True):
    """What one subscriber gets beside the plan."""

    static_ipv4: str | None
    static_ipv6_prefix: str | None
    delegated_ipv6: str | None
    reply: bytes  # extra attributes, encoded


class Used(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is used of a quota, weighed, until its window ends."""

    window_ends_s: int  # FOREVER: it never does
    octets: int
    time_s: int


class SubscriberRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who may log in, with what proof, to get what."""

    id: int
    profile_id: int  # 0: entitled to nothing
    credential_sealed: bytes  # empty: no password, so no proof will do
    valid_until_s: int
    holds: tuple[Hold, ...] = ()
    bound_nas_ids: tuple[int, ...] = ()
    bound_macs: tuple[str, ...] = ()
    personal: Personal | None = None
    sessions: tuple[LiveSession, ...] = ()  # open; if the profile `counts_sessions`
    quota: Used | None = None  # None: nothing
    ways: tuple[str, ...] = ()  # by which he is found beside his name, and needs no password


encode = msgspec.msgpack.Encoder().encode
decode_nas = msgspec.msgpack.Decoder(NasRecord).decode
decode_profile = msgspec.msgpack.Decoder(ProfileRecord).decode
decode_subscriber = msgspec.msgpack.Decoder(SubscriberRecord).decode
