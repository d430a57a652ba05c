"""What a login was given is known from its Class."""

from dataclasses import replace
from pathlib import Path

import pytest

from aaa.enforcement_print import given_at_login, is_garden, print_of
from aaa.policy import Hold
from aaa.records import Personal, SubscriberRecord
from core.radius.types import CLASS
from nas_adapters.profile import Burst, ServiceProfile
from tests.aaa.world import HOME, STARTED_AT, World

FAST = ServiceProfile(download_bps=50_000_000, upload_bps=20_000_000)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(FAST, download_bps=1), id="a rate"),
        pytest.param(replace(FAST, burst=Burst(1, 1)), id="a burst"),
        pytest.param(replace(FAST, address_pool="pool-b"), id="a pool"),
        pytest.param(replace(FAST, filter_id="garden"), id="a filter"),
    ],
)
def test_another_service_has_another_print(other: ServiceProfile) -> None:
    assert print_of(FAST, "plan") != print_of(other, "plan")


def test_what_depends_on_the_moment_is_in_no_print() -> None:
    later = replace(FAST, session_timeout_s=77, limit_octets=5, limit_upload_octets=6)
    assert print_of(later, "plan") == print_of(FAST, "plan")


def test_a_print_stays_what_it_was_for_the_sessions_that_carry_it() -> None:
    """A session may be older than the version that looks at it."""
    assert print_of(FAST, "plan") == "261b7d"
    assert print_of(ServiceProfile(), "plan") == "31cf25"


def test_a_garden_is_known_whatever_it_was_built_of() -> None:
    assert is_garden(print_of(FAST, "garden"))
    assert not is_garden(print_of(FAST, "throttled"))
    assert not is_garden("")


def test_an_accept_says_in_its_class_what_it_gave(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.add(
        "fixed",
        SubscriberRecord(0, HOME.id, b"", 0, personal=Personal("10.0.0.9", None, None, b"")),
        number=2,
    )
    world.add(
        "held",
        SubscriberRecord(
            0, HOME.id, b"", 0, holds=(Hold("staff", "walled_garden", int(STARTED_AT) - 9, 0),)
        ),
        number=3,
    )
    nonces = {
        name: dict(world.login(name).attributes)[CLASS][-16:].decode()
        for name in ("nemo", "fixed", "held")
    }
    again = dict(world.login("nemo").attributes)[CLASS][-16:].decode()
    assert given_at_login(again) == given_at_login(nonces["nemo"])
    assert again != nonces["nemo"], "and yet no two logins have one"
    assert len({given_at_login(nonce) for nonce in nonces.values()}) == 3
    assert is_garden(given_at_login(nonces["held"]))
    home = ServiceProfile(download_bps=50_000_000, upload_bps=20_000_000, interim_s=300)
    assert given_at_login(nonces["nemo"]) == print_of(home, "plan")


def test_a_session_without_our_class_was_given_nobody_knows_what() -> None:
    assert given_at_login("") == ""
