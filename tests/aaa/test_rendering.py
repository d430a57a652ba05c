"""A plan as octets: kept while it is the same, made anew when it is not, and complete."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from aaa.on_nas import OnNas
from aaa.records import Personal, ProfileRecord, Quota
from aaa.rendering import (
    GARDEN,
    PERSONAL_KEPT_MAX,
    PLAN,
    THROTTLED,
    Renderer,
    Unrenderable,
    service_of,
)
from core.radius.codec import encode_named
from nas_adapters.profile import ServiceProfile
from nas_adapters.templates import parsed
from tests.aaa.replica import DICTIONARY

HOME = ProfileRecord(
    7, 1, "home-50", 50_000_000, 20_000_000, None, None, None, None, 1, "reject", 86_400, 300,
    "pool-a",
)  # fmt: skip
WALLS = ServiceProfile(
    download_bps=1_000_000, upload_bps=1_000_000, filter_id="walled-garden", session_timeout_s=600
)
PERSONAL = Personal("203.0.113.9", "2001:db8:1:42::/64", "2001:db8:42::/56", b"\x12\x04hi")


@pytest.fixture
def renderer() -> Renderer:
    one = Renderer(DICTIONARY, WALLS)
    one.replace_profiles({HOME.id: HOME})
    return one


def told(
    renderer: Renderer, vendor: str, personal: Personal | None = None, service: str = PLAN
) -> str:
    attributes = renderer.attributes(vendor, HOME.id, personal, service)
    return " ".join(f"{attr.name}={attr.value!s}" for attr in attributes)


def test_each_vendor_hears_its_own_dialect(renderer: Renderer) -> None:
    assert "Mikrotik-Rate-Limit=20M/50M" in told(renderer, "mikrotik")
    said = [
        renderer.octets(vendor, HOME.id, None, PLAN)
        for vendor in ("generic", "mikrotik", "cisco", "huawei_bng", "accel_ppp")
    ]
    assert all(one != other for one, other in pairwise(said))


def test_the_octets_are_the_attributes_and_the_extra_ones(renderer: Renderer) -> None:
    for personal in (None, PERSONAL):
        expected = b"".join(
            encode_named(DICTIONARY, attr.name, attr.value, tag=attr.tag)
            for attr in renderer.attributes("mikrotik", HOME.id, personal, PLAN)
        )
        extra = personal.reply if personal else b""
        for _ in range(2):  # rendered, then kept
            assert renderer.octets("mikrotik", HOME.id, personal, PLAN) == expected + extra


def test_session_timeout_depends_on_the_moment_and_is_not_in_it(renderer: Renderer) -> None:
    for service in (PLAN, GARDEN):
        assert "Session-Timeout" not in told(renderer, "generic", service=service)


def test_addresses_of_ones_own_replace_the_pool_and_stay_outside_the_garden(
    renderer: Renderer,
) -> None:
    free, walled = (
        told(renderer, "generic", PERSONAL),
        told(renderer, "generic", PERSONAL, service=GARDEN),
    )
    assert "203.0.113.9" in free
    assert "2001:db8:1:42::/64" in free
    assert "2001:db8:42::/56" in free
    for address in ("203.0.113.9", "2001:db8"):
        assert address not in walled
    assert "walled-garden" in walled
    assert "Acct-Interim-Interval=300" in walled  # who is confined is still counted


def test_a_changed_plan_is_rendered_anew_for_everybody(renderer: Renderer) -> None:
    before = [renderer.octets("mikrotik", HOME.id, personal, PLAN) for personal in (None, PERSONAL)]
    faster = msgspec.structs.replace(HOME, download_bps=90_000_000)
    renderer.replace_profiles({HOME.id: faster})
    after = [renderer.octets("mikrotik", HOME.id, personal, PLAN) for personal in (None, PERSONAL)]
    for old, new in zip(before, after, strict=True):
        assert b"20M/50M" in old
        assert b"20M/90M" in new
    assert renderer.profile(HOME.id) == faster
    renderer.replace_profiles({})
    assert renderer.profile(HOME.id) is None


def test_more_personal_ones_than_are_kept_are_right_as_well(renderer: Renderer) -> None:
    for _ in range(2):
        for number in range(PERSONAL_KEPT_MAX + 10):
            reply = b"\x12\x06%04d" % number
            octets = renderer.octets("generic", HOME.id, Personal(None, None, None, reply), PLAN)
            assert octets.endswith(reply)


def test_the_garden_keeps_no_timeout_of_its_own() -> None:
    strict = Renderer(DICTIONARY, replace(WALLS, session_timeout_s=60))
    strict.replace_profiles({HOME.id: HOME})
    assert "Session-Timeout" not in told(strict, "generic", service=GARDEN)


CAPPED = msgspec.structs.replace(
    HOME,
    burst_download_bps=80_000_000,
    burst_upload_bps=30_000_000,
    quota=Quota(10**11, None, "total", "throttle", 2_000_000, 1_000_000, False),
)


def capped(**changes: object) -> Renderer:
    assert CAPPED.quota is not None
    quota = msgspec.structs.replace(CAPPED.quota, **changes)
    one = Renderer(DICTIONARY, WALLS)
    one.replace_profiles({HOME.id: msgspec.structs.replace(CAPPED, quota=quota)})
    return one


def test_over_quota_a_plan_is_slower_and_has_no_burst() -> None:
    renderer = capped()
    assert "Mikrotik-Rate-Limit=20M/50M 30M/80M" in told(renderer, "mikrotik")
    slow = told(renderer, "mikrotik", PERSONAL, THROTTLED)
    assert "Mikrotik-Rate-Limit=1M/2M " in slow + " "
    assert "30M" not in slow
    assert "203.0.113.9" in slow, "he keeps his addresses"
    assert renderer.octets("mikrotik", HOME.id, None, THROTTLED) != renderer.octets(
        "mikrotik", HOME.id, None, PLAN
    )


def test_a_direction_that_is_not_slowed_down_keeps_its_rate() -> None:
    renderer = capped(fup_download_bps=None)
    assert "Mikrotik-Rate-Limit=1M/50M" in told(renderer, "mikrotik", None, THROTTLED)


@pytest.mark.parametrize(
    ("direction", "attribute"),
    [("total", "Total"), ("download", "Xmit"), ("upload", "Recv")],
)
def test_what_is_left_is_limited_in_the_direction_that_counts(
    direction: str, attribute: str
) -> None:
    """BUG6: above 4 GiB the low word alone would be something else."""
    octets = capped(direction=direction).limits("mikrotik", HOME.id, 5 << 30)
    assert octets == b"".join(
        encode_named(DICTIONARY, name, value)
        for name, value in (
            (f"Mikrotik-{attribute}-Limit", 1 << 30),
            (f"Mikrotik-{attribute}-Limit-Gigawords", 1),
        )
    )


def test_a_vendor_without_words_for_a_limit_says_none() -> None:
    assert capped().limits("generic", HOME.id, 5 << 30) == b""


def test_each_nas_hears_names_by_its_own_templates(renderer: Renderer) -> None:
    one = parsed("mx-1", {"service": "svc({upload_kbps}k,{download_kbps}k)"})
    other = parsed("mx-2", {"service": "{plan.code}-{state}"})
    first = renderer.octets("juniper", HOME.id, None, PLAN, one)
    assert b"svc(20000k,50000k)" in first
    assert b"home-50-plan" in renderer.octets("juniper", HOME.id, None, PLAN, other)
    assert b"home-50-garden" in renderer.octets("juniper", HOME.id, None, GARDEN, other)
    assert renderer.octets("juniper", HOME.id, None, PLAN, one) is first
    assert b"svc" not in renderer.octets("juniper", HOME.id, None, PLAN)
    assert b"svc" in renderer.octets("juniper", HOME.id, PERSONAL, PLAN, one)


def test_over_quota_a_plan_has_its_vlan_but_no_name_that_gives_the_full_rate() -> None:
    said = OnNas(vlan=100, qos_profile="home-50", group="gold", idle_timeout_s=600)
    slowed = msgspec.structs.replace(HOME, on_nas=said, quota=CAPPED.quota)
    profile = service_of(slowed)
    assert (profile.qos_profile, profile.vlan, profile.idle_timeout_s) == ("home-50", 100, 600)
    profile = service_of(slowed, throttled=True)
    assert (profile.qos_profile, profile.vlan, profile.group) == (None, 100, "gold")


def test_a_name_that_cannot_be_made_is_said_with_its_nas(renderer: Renderer) -> None:
    renderer.replace_profiles({HOME.id: msgspec.structs.replace(HOME, upload_bps=None)})
    one = parsed("mx-1", {"service": "svc({upload_kbps}k)"})
    with pytest.raises(Unrenderable, match="NAS mx-1"):
        renderer.octets("juniper", HOME.id, None, PLAN, one)
