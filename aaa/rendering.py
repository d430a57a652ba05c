"""A plan as the octets of an Access-Accept, in the dialect of the NAS that asked.

Encoding costs more than the whole rest of a login, so a plan is encoded once for each
vendor and kept; subscribers with addresses of their own are kept as long as there is
room.  Session-Timeout is left out: it depends on the moment.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

from aaa.extra_attributes import allowed_in_a_garden
from aaa.records import Personal, ProfileRecord
from core.errors import NotFound
from core.radius.codec import encode_named
from dictionaries.definitions import Dictionary
from nas_adapters.base import Attr
from nas_adapters.profile import Burst, ServiceProfile
from nas_adapters.vendors import vendor as vendor_named

PERSONAL_KEPT_MAX = 4_096
UNRENDERABLE_MESSAGE = "Service unavailable"  # to the subscriber, who cannot mend it


class Unrenderable(ValueError):
    """No octets can say this: a pool's name too long, an address of the other family.

    `apply` lets nothing of the kind in; plain SQL may.
    """


class Renderer:
    """Renders for any vendor.  `garden` is what a confined subscriber gets."""

    def __init__(self, dictionary: Dictionary, garden: ServiceProfile) -> None:
        self._dictionary = dictionary
        self._garden = replace(garden, session_timeout_s=None)
        self._profiles: dict[int, ProfileRecord] = {}
        self._plain: dict[tuple[str, int, bool], bytes] = {}
        self._personal: dict[tuple[str, int, bool, Personal], bytes] = {}

    def replace_profiles(self, profiles: dict[int, ProfileRecord]) -> None:
        """Take these profiles from now on and forget what was rendered from others."""
        self._profiles = profiles
        self._plain.clear()
        self._personal.clear()

    def profile(self, profile_id: int) -> ProfileRecord | None:
        return self._profiles.get(profile_id)

    def octets(
        self, vendor: str, profile_id: int, personal: Personal | None, *, walled: bool
    ) -> bytes:
        """The attributes of this service for a NAS of `vendor`, complete but for the timeout.

        Raises:
            Unrenderable: they cannot be said.
        """
        if personal is None:
            key = (vendor, profile_id, walled)
            octets = self._plain.get(key)
            if octets is None:
                octets = self._plain[key] = self._render(vendor, profile_id, None, walled)
            return octets
        own = (vendor, profile_id, walled, personal)
        octets = self._personal.get(own)
        if octets is None:
            octets = self._render(vendor, profile_id, personal, walled)
            if len(self._personal) >= PERSONAL_KEPT_MAX:
                del self._personal[next(iter(self._personal))]
            self._personal[own] = octets
        return octets

    def attributes(
        self, vendor: str, profile_id: int, personal: Personal | None, *, walled: bool
    ) -> tuple[Attr, ...]:
        """The same in names and values, without the subscriber's extra attributes."""
        record = self._profiles[profile_id]
        profile = self._garden if walled else service_of(record)
        if personal is not None:
            profile = replace(
                profile,
                static_ipv4=None
                if personal.static_ipv4 is None or walled
                else IPv4Address(personal.static_ipv4),
                static_ipv6_prefix=None
                if personal.static_ipv6_prefix is None or walled
                else IPv6Network(personal.static_ipv6_prefix),
                delegated_ipv6=None
                if personal.delegated_ipv6 is None or walled
                else IPv6Network(personal.delegated_ipv6),
            )
        if walled:
            profile = replace(profile, interim_s=record.interim_s)
        return vendor_named(vendor).render(profile)

    def _render(
        self, vendor: str, profile_id: int, personal: Personal | None, walled: bool
    ) -> bytes:
        try:
            octets = b"".join(
                [
                    encode_named(self._dictionary, attr.name, attr.value, tag=attr.tag)
                    for attr in self.attributes(vendor, profile_id, personal, walled=walled)
                ]
            )
        except (ValueError, NotFound) as error:  # of the codec, of ipaddress, of the vendors
            raise Unrenderable(str(error)) from error
        if personal is None:
            return octets
        return octets + (allowed_in_a_garden(personal.reply) if walled else personal.reply)


def service_of(record: ProfileRecord) -> ServiceProfile:
    """A profile as vendors read it, without its Session-Timeout."""
    burst = None
    if record.burst_download_bps is not None and record.burst_upload_bps is not None:
        burst = Burst(
            record.burst_download_bps,
            record.burst_upload_bps,
            record.burst_threshold_bps,
            record.burst_time_s or 1,
        )
    return ServiceProfile(
        download_bps=record.download_bps,
        upload_bps=record.upload_bps,
        burst=burst,
        address_pool=record.address_pool,
        interim_s=record.interim_s,
    )
