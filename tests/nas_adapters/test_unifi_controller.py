"""A UniFi controller of either generation, over real TLS."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from core.secret import Secret
from nas_adapters.actives import compare
from nas_adapters.api_access import ApiAccess
from nas_adapters.base import SessionRef
from nas_adapters.profile import ServiceProfile
from nas_adapters.trouble import NoAnswer, NotLetIn, NotThere, WillNot
from nas_adapters.unifi_controller import connect
from tests.nas_adapters.certificates import Certificate, self_signed
from tests.nas_adapters.fake_unifi import FakeController

GUEST = {
    "mac": "02:00:5e:10:00:01",
    "ip": "10.5.50.7",
    "is_guest": True,
    "authorized": True,
    "uptime": 60,
}
SESSION = SessionRef(
    acct_session_id="abc",
    user_name="alice",
    calling_station="02-00-5E-10-00-01",
    framed_ip="10.5.50.7",
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture(params=[False, True], ids=["classic", "UniFi OS"])
async def fake(
    request: pytest.FixtureRequest, certificate: Certificate
) -> AsyncIterator[FakeController]:
    clients = [
        dict(GUEST),
        GUEST | {"mac": "02:00:5e:10:00:02", "authorized": False},
        GUEST | {"mac": "02:00:5e:10:00:03", "is_guest": False},
    ]
    one = FakeController(is_os=request.param, clients=clients)
    async with one.listening(certificate.server):
        yield one


@pytest.fixture
def access(fake: FakeController, certificate: Certificate) -> ApiAccess:
    return ApiAccess(
        nas="wlan",
        host="127.0.0.1",
        port=fake.port,
        username="turnpike",
        password=Secret(b"geheim"),
        fingerprint=certificate.fingerprint,
    )


async def test_a_controller_tells_its_version(access: ApiAccess) -> None:
    async with connect(access) as api:
        health = await api.health()
    assert (health.name, health.version, health.uptime_s) == ("wlan", "8.6.9", 86400)


async def test_guests_that_are_let_in_are_its_sessions_and_equal_ours_by_device(
    access: ApiAccess,
) -> None:
    async with connect(access) as api:
        actives = await api.actives()
    assert [active.calling_station for active in actives] == [GUEST["mac"]]
    assert compare([SESSION], actives).is_equal
    stranger = replace(SESSION, calling_station="02-00-5E-10-00-09")
    assert compare([stranger], actives).missing_there == (stranger,)


async def test_a_guest_is_let_in_in_the_units_of_the_controller(
    access: ApiAccess, fake: FakeController
) -> None:
    async with connect(access) as api:
        await api.authorise(
            "0200.5E10.0002",
            minutes=30,
            upload_bps=2_000_000,
            download_bps=10_000_000,
            quota_octets=5 * 10**9,
        )
    assert fake.orders == [
        {
            "cmd": "authorize-guest",
            "mac": "02:00:5e:10:00:02",
            "minutes": 30,
            "up": 2000,
            "down": 10000,
            "bytes": 5000,
        }
    ]


async def test_another_rate_is_another_authorisation(
    access: ApiAccess, fake: FakeController
) -> None:
    profile = ServiceProfile(download_bps=500, upload_bps=None, session_timeout_s=90)
    async with connect(access) as api:
        await api.set_rate(SESSION, profile)
        gone = replace(SESSION, calling_station="02:00:5e:10:00:02")
        with pytest.raises(NotThere):
            await api.set_rate(gone, profile)  # which would let him in
    [order] = fake.orders
    assert (order["minutes"], order["down"], "up" in order) == (2, 1, False)


async def test_a_disconnect_puts_the_guest_out_and_finds_him_gone_the_second_time(
    access: ApiAccess, fake: FakeController
) -> None:
    async with connect(access) as api:
        await api.disconnect(SESSION)
        assert not fake.clients[0]["authorized"]
        with pytest.raises(NotThere, match="no guest that is let in"):
            await api.disconnect(SESSION)
        with pytest.raises(WillNot, match="'x' is no MAC address"):
            await api.disconnect(replace(SESSION, calling_station="x"))


async def test_a_wrong_password_and_a_wrong_site_are_told(access: ApiAccess) -> None:
    with pytest.raises(NotLetIn, match="does not let turnpike in") as told:
        async with connect(replace(access, password=Secret(b"hunter2"))):
            pass
    assert "hunter2" not in str(told.value)
    async with connect(replace(access, site="north")) as api:
        with pytest.raises(NotThere, match=r"has no site north: correct api\.site"):
            await api.health()


@pytest.mark.parametrize("pin", ["", "00" * 32])
async def test_a_certificate_that_is_not_trusted_or_pinned_is_told_nothing(
    access: ApiAccess, fake: FakeController, pin: str
) -> None:
    with pytest.raises(NotLetIn, match=r"certificate .*api\.fingerprint"):
        async with connect(replace(access, fingerprint=pin)):
            pass
    assert fake.paths == []


async def test_silence_ends_in_time_with_a_remedy(access: ApiAccess, fake: FakeController) -> None:
    fake.slow_s = 5
    with pytest.raises(NoAnswer, match=r"does not answer at 127\.0\.0\.1 port .*8443, or 443"):
        async with connect(access, deadline_s=0.2):
            pass
    with pytest.raises(NoAnswer, match="NAS wlan: the controller does not answer"):
        async with connect(replace(access, port=1)):
            pass
