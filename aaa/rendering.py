"""A plan as the octets of an Access-Accept, in the dialect of the NAS that asked.

Encoding costs more than the whole rest of a login, so a plan is encoded once for each
vendor and kept; subscribers with addresses of their own are kept as long as there is
room.  Session-Timeout and limits in octets are apart: they depend on the moment.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network
from typing import Final, NamedTuple

from aaa import on_nas
from aaa.enforcement_print import print_of
from aaa.extra_attributes import allowed_in_a_garden
from aaa.policy import Permit
from aaa.records import Personal, ProfileRecord
from core.errors import NotFound
from core.radius.codec import encode_named
from dictionaries.definitions import Dictionary
from nas_adapters.base import Attr
from nas_adapters.profile import Burst, ServiceProfile
from nas_adapters.templates import AS_SOLD, IN_THE_GARDEN, NO_TEMPLATES, Templates, filled
from nas_adapters.vendors import vendor as vendor_named

PERSONAL_KEPT_MAX = 4_096
PLAIN_KEPT_MAX = 65_536  # vendors and templates come and go, plans as well

# What of a profile a session gets.
PLAN: Final = AS_SOLD
THROTTLED: Final = "throttled"  # over quota: slower, and without a burst
GARDEN: Final = IN_THE_GARDEN

UNRENDERABLE_MESSAGE = "Service unavailable"  # to the subscriber, who cannot mend it


class Unrenderable(ValueError):
    """No octets can say this: a pool's name too long, an address of the other family.

    `apply` lets nothing of the kind in; plain SQL may.
    """


class Rendered(NamedTuple):
    """A service as it is said, and its print (`enforcement_print`) for the Class beside it."""

    octets: bytes
    fingerprint: bytes


class Renderer:
    """Renders for any vendor.  `garden` is what a confined subscriber gets."""

    def __init__(self, dictionary: Dictionary, garden: ServiceProfile) -> None:
        self._dictionary = dictionary
        self._garden = replace(garden, session_timeout_s=None)
        self.garden_has_pool = garden.address_pool is not None
        self._profiles: dict[int, ProfileRecord] = {}
        self._plain: dict[tuple[str, int, str, Templates], Rendered] = {}
        self._personal: dict[tuple[str, int, str, Personal, Templates], Rendered] = {}

    def replace_profiles(self, profiles: dict[int, ProfileRecord]) -> None:
        """Take these profiles from now on and forget what was rendered from others."""
        self._profiles = profiles
        self._plain.clear()
        self._personal.clear()

    def profile(self, profile_id: int) -> ProfileRecord | None:
        return self._profiles.get(profile_id)

    def octets(
        self,
        vendor: str,
        profile_id: int,
        personal: Personal | None,
        service: str,
        templates: Templates = NO_TEMPLATES,
    ) -> bytes:
        """Those of `rendered` alone."""
        return self.rendered(vendor, profile_id, personal, service, templates).octets

    def rendered(
        self,
        vendor: str,
        profile_id: int,
        personal: Personal | None,
        service: str,
        templates: Templates = NO_TEMPLATES,
    ) -> Rendered:
        """The attributes of this service for a NAS of `vendor`, but for timeout and limits.

        `templates` are that NAS's, made once: what is rendered is kept for each of them.

        Raises:
            Unrenderable: they cannot be said.
        """
        if personal is None:
            key = (vendor, profile_id, service, templates)
            rendered = self._plain.get(key)
            if rendered is None:
                rendered = self._render(vendor, profile_id, None, service, templates)
                if len(self._plain) >= PLAIN_KEPT_MAX:
                    del self._plain[next(iter(self._plain))]
                self._plain[key] = rendered
            return rendered
        own = (vendor, profile_id, service, personal, templates)
        rendered = self._personal.get(own)
        if rendered is None:
            rendered = self._render(vendor, profile_id, personal, service, templates)
            if len(self._personal) >= PERSONAL_KEPT_MAX:
                del self._personal[next(iter(self._personal))]
            self._personal[own] = rendered
        return rendered

    def limits(self, vendor: str, profile_id: int, limit_octets: int) -> bytes:
        """The attributes by which the NAS ends the session after so many octets.

        Raises:
            Unrenderable: they cannot be said.
        """
        return self._encoded(self.limit_attributes(vendor, profile_id, limit_octets))

    def limit_attributes(self, vendor: str, profile_id: int, limit_octets: int) -> tuple[Attr, ...]:
        """The same in names and values; none where the vendor has no words for them."""
        quota = self._profiles[profile_id].quota
        direction = quota.direction if quota is not None else "total"
        if direction == "download":
            limited = ServiceProfile(limit_download_octets=limit_octets)
        elif direction == "upload":
            limited = ServiceProfile(limit_upload_octets=limit_octets)
        else:
            limited = ServiceProfile(limit_octets=limit_octets)
        return vendor_named(vendor).limits(limited)

    def attributes(
        self,
        vendor: str,
        profile_id: int,
        personal: Personal | None,
        service: str,
        templates: Templates = NO_TEMPLATES,
    ) -> tuple[Attr, ...]:
        """What `octets` says, without the subscriber's extra attributes."""
        profile = self.service_profile(profile_id, personal, service, templates)
        return vendor_named(vendor).render(profile)

    def service_profile(
        self,
        profile_id: int,
        personal: Personal | None,
        service: str,
        templates: Templates = NO_TEMPLATES,
    ) -> ServiceProfile:
        """This service as vendors read it: what a login says, and what a change is made of.

        Raises:
            ValueError: an address is none, or a template needs what the plan has not.
        """
        record = self._profiles[profile_id]
        walled = service == GARDEN
        profile = self._garden if walled else service_of(record, throttled=service == THROTTLED)
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
        return filled(profile, templates, code=record.code, state=service)

    def _render(
        self,
        vendor: str,
        profile_id: int,
        personal: Personal | None,
        service: str,
        templates: Templates,
    ) -> Rendered:
        try:
            profile = self.service_profile(profile_id, personal, service, templates)
            attributes = vendor_named(vendor).render(profile)
        except (ValueError, NotFound) as error:  # of ipaddress, of the vendors
            raise Unrenderable(str(error)) from error
        octets = self._encoded(attributes)
        if personal is not None:
            octets += allowed_in_a_garden(personal.reply) if service == GARDEN else personal.reply
        return Rendered(octets, print_of(profile, service).encode())

    def _encoded(self, attributes: tuple[Attr, ...]) -> bytes:
        try:
            return b"".join(
                [
                    encode_named(self._dictionary, attr.name, attr.value, tag=attr.tag)
                    for attr in attributes
                ]
            )
        except ValueError as error:  # of the codec
            raise Unrenderable(str(error)) from error


def service_for(permit: Permit) -> str:
    """What of the profile the permit gives."""
    if permit.walled_by:
        return GARDEN
    return THROTTLED if permit.throttled else PLAN


def service_of(record: ProfileRecord, *, throttled: bool = False) -> ServiceProfile:
    """A profile as vendors read it, without its Session-Timeout."""
    burst = None
    download_bps, upload_bps = record.download_bps, record.upload_bps
    if throttled:
        assert record.quota is not None, "without a quota nobody is over it"
        # A direction that the plan does not slow down keeps its rate.
        download_bps = record.quota.fup_download_bps or download_bps
        upload_bps = record.quota.fup_upload_bps or upload_bps
    elif record.burst_download_bps is not None and record.burst_upload_bps is not None:
        burst = Burst(
            record.burst_download_bps,
            record.burst_upload_bps,
            record.burst_threshold_bps,
            record.burst_time_s or 1,
        )
    plain = ServiceProfile(
        download_bps=download_bps,
        upload_bps=upload_bps,
        burst=burst,
        address_pool=record.address_pool,
        interim_s=record.interim_s,
    )
    return on_nas.said(plain, record.on_nas, throttled=throttled)
