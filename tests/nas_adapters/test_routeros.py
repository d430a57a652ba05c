"""The RouterOS API against a fake router, over real TLS."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from core.secret import Secret
from nas_adapters import routeros, routeros_lists
from nas_adapters.api_access import ApiAccess
from nas_adapters.base import SessionRef
from nas_adapters.profile import Burst, ServiceProfile
from nas_adapters.routeros_router import connect
from nas_adapters.trouble import NoAnswer, NotLetIn, NotThere, WillNot
from tests.nas_adapters.certificates import Certificate, self_signed
from tests.nas_adapters.fake_routeros import FakeRouter, Row

ALICE: Row = {
    ".id": "*80000012",
    "name": "alice",
    "service": "pppoe",
    "caller-id": "02:00:5E:10:00:01",
    "address": "100.64.0.7",
    "uptime": "1d2h3m4s",
    "session-id": "0x81500012",
}
GUEST: Row = {
    ".id": "*64400007",
    "user": "guest",
    "mac-address": "02:00:5E:10:00:02",
    "address": "10.5.50.7",
    "uptime": "3m",
    "session-id": "0x80400007",
}
QUEUE: Row = {
    ".id": "*1A",
    "name": "<pppoe-alice>",
    "target": "<pppoe-alice>",
    "max-limit": "5000000/20000000",
    "dynamic": "true",
}
SESSION = SessionRef(acct_session_id="81500012", user_name="alice", framed_ip="100.64.0.7")


def router() -> FakeRouter:
    return FakeRouter(
        menus={
            "/system/identity": [{"name": "bras-1"}],
            "/system/resource": [
                {
                    "uptime": "2w1d",
                    "version": "7.16.2 (stable)",
                    "board-name": "CCR2004-1G-12S+2XS",
                    "cpu-load": "7",
                    "free-memory": "3221225472",
                }
            ],
            "/ppp/active": [dict(ALICE)],
            "/ip/hotspot/active": [dict(GUEST)],
            "/queue/simple": [dict(QUEUE)],
            "/ip/firewall/address-list": [],
            "/ppp/secret": [],
        }
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture
async def fake(certificate: Certificate) -> AsyncIterator[FakeRouter]:
    async with router().listening(certificate.server) as one:
        yield one


@pytest.fixture
def access(fake: FakeRouter, certificate: Certificate) -> ApiAccess:
    return ApiAccess(
        nas="bras-1",
        host="127.0.0.1",
        port=fake.port,
        username="turnpike",
        password=Secret(b"geheim"),
        fingerprint=certificate.fingerprint,
    )


async def test_a_router_tells_who_it_is_and_how_it_is(access: ApiAccess) -> None:
    async with connect(access) as api:
        health = await api.health()
    assert (health.name, health.version) == ("bras-1", "7.16.2 (stable)")
    assert (health.uptime_s, health.cpu_percent) == (15 * 86400, 7)


async def test_sessions_of_pppoe_and_hotspot_are_told_alike(access: ApiAccess) -> None:
    async with connect(access) as api:
        alice, guest = await api.actives()
    assert (alice.service, alice.name, alice.address) == ("pppoe", "alice", "100.64.0.7")
    assert (alice.uptime_s, alice.session_id) == (93784, "0x81500012")
    assert (guest.service, guest.name, guest.calling_station) == (
        "hotspot",
        "guest",
        "02:00:5E:10:00:02",
    )


async def test_a_router_without_the_hotspot_package_has_no_hotspot_sessions(
    access: ApiAccess, fake: FakeRouter
) -> None:
    del fake.menus["/ip/hotspot/active"]
    async with connect(access) as api:
        assert [active.name for active in await api.actives()] == ["alice"]


async def test_a_disconnect_ends_the_session_of_that_id_and_no_other_of_the_name(
    access: ApiAccess, fake: FakeRouter
) -> None:
    again = ALICE | {".id": "*80000013", "session-id": "0x81500013"}
    fake.menus["/ppp/active"].append(again)
    async with connect(access) as api:
        await api.disconnect(SESSION)
        assert fake.menus["/ppp/active"] == [again]
        with pytest.raises(NotThere, match="NAS bras-1: session 81500012 of alice"):
            await api.disconnect(SESSION)
    assert fake.menus["/ppp/active"] == [again]


async def test_a_hotspot_session_is_ended_in_its_own_menu(
    access: ApiAccess, fake: FakeRouter
) -> None:
    async with connect(access) as api:
        await api.disconnect(SessionRef(acct_session_id="80400007", user_name="guest"))
    assert fake.menus["/ip/hotspot/active"] == []
    assert len(fake.menus["/ppp/active"]) == 1


async def test_a_rate_goes_to_the_dynamic_queue_upload_first(
    access: ApiAccess, fake: FakeRouter
) -> None:
    burst = Burst(download_bps=40_000_000, upload_bps=10_000_000, time_s=16)
    profile = ServiceProfile(download_bps=10_000_000, upload_bps=2_000_000, burst=burst)
    async with connect(access) as api:
        await api.set_rate(SESSION, profile)
        [queue] = fake.menus["/queue/simple"]
        assert queue["max-limit"] == "2M/10M"
        assert (queue["burst-limit"], queue["burst-time"]) == ("10M/40M", "16s/16s")
        await api.set_rate(SESSION, replace(profile, burst=None))
    assert queue["burst-limit"] == "0/0"


async def test_a_queue_that_keeps_its_rate_is_a_refusal_though_the_router_said_yes(
    access: ApiAccess, fake: FakeRouter
) -> None:
    fake.keeps_dynamic_queues = True
    async with connect(access) as api:
        with pytest.raises(WillNot, match=r"queue <pppoe-alice> kept its rate: disconnect"):
            await api.set_rate(SESSION, ServiceProfile(download_bps=1_000_000, upload_bps=1000))


async def test_no_queue_of_another_subscriber_is_changed(
    access: ApiAccess, fake: FakeRouter
) -> None:
    fake.menus["/queue/simple"] = [
        QUEUE | {"name": "<pppoe-alice2>"},
        QUEUE | {"name": "<hotspot-alice>", ".id": "*1B"},
        QUEUE | {"dynamic": "false", ".id": "*1C"},
    ]
    before = [dict(row) for row in fake.menus["/queue/simple"]]
    async with connect(access) as api:
        with pytest.raises(WillNot, match="no telling which queue is that of alice"):
            await api.set_rate(SESSION, ServiceProfile(download_bps=1000, upload_bps=1000))
    assert fake.menus["/queue/simple"] == before


async def test_an_address_list_gets_entries_with_our_comment_and_an_end(
    access: ApiAccess, fake: FakeRouter
) -> None:
    entries = fake.menus["/ip/firewall/address-list"]
    entries.append({".id": "*1", "list": "overdue", "address": "100.64.0.9", "comment": "by hand"})
    async with routeros.open_(access) as talk:
        for _ in range(2):
            await routeros_lists.put_address(
                talk, "overdue", "100.64.0.7", why="alice", timeout_s=3600
            )
        [_, ours] = await routeros_lists.listed(talk, "overdue")
        assert (ours.address, ours.comment, ours.timeout_s) == (
            "100.64.0.7",
            "turnpike alice",
            3600,
        )
        with pytest.raises(WillNot, match="already, and not by us"):
            await routeros_lists.put_address(talk, "overdue", "100.64.0.9", why="", timeout_s=60)
        with pytest.raises(NotThere):
            await routeros_lists.remove_address(talk, "overdue", "100.64.0.9")
        await routeros_lists.remove_address(talk, "overdue", "100.64.0.7")
    assert [entry["comment"] for entry in entries] == ["by hand"]


async def test_an_ipv6_prefix_has_a_list_of_its_own_and_is_found_however_it_is_written(
    access: ApiAccess, fake: FakeRouter
) -> None:
    entries = fake.menus.setdefault("/ipv6/firewall/address-list", [])
    async with routeros.open_(access) as talk:
        await routeros_lists.put_address(
            talk, "overdue", "2001:db8:0:42::/64", why="alice", timeout_s=60
        )
        assert entries[0]["address"] == "2001:db8:0:42::/64"
        entries[0]["address"] = "2001:db8:0:0042::/64"
        await routeros_lists.remove_address(talk, "overdue", "2001:db8:0:42::/64")
    assert entries == fake.menus["/ip/firewall/address-list"] == []


async def test_secrets_are_read_as_they_are_written_and_show_themselves_to_nobody(
    access: ApiAccess, fake: FakeRouter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.menus["/ppp/secret"] = [
        {"name": "0042", "password": "yes", "profile": "home-20", "remote-address": "100.64.1.1"},
        {"name": "j\xc3\xb6rg", "password": "p\xe4ss", "disabled": "true"},
        {"name": "hidden"},
    ]
    async with routeros.open_(access) as talk:
        first, second, third = await routeros_lists.secrets(talk)
    assert (first.name, first.profile, first.remote_address) == ("0042", "home-20", "100.64.1.1")
    assert first.password == Secret(b"yes")
    assert second.name == "jörg"
    assert second.password == Secret(b"p\xe4ss")
    assert second.is_disabled
    assert third.password is None
    assert "yes" not in repr(first)
    assert "geheim" not in caplog.text


async def test_another_certificate_than_the_pinned_one_gets_no_password(
    access: ApiAccess, fake: FakeRouter
) -> None:
    with pytest.raises(NotLetIn, match=r"not that of api\.fingerprint: find out who changed it"):
        async with connect(replace(access, fingerprint="00" * 32)):
            pass
    assert fake.commands == []


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(
    access: ApiAccess, fake: FakeRouter
) -> None:
    with pytest.raises(NotLetIn, match=r"is not trusted .*put its SHA-256 into api.fingerprint"):
        async with connect(replace(access, fingerprint="")):
            pass
    assert fake.commands == []


async def test_plain_is_spoken_only_when_asked_for(access: ApiAccess) -> None:
    async with router().listening(None) as plain:
        with pytest.raises(NoAnswer, match=r"bras-1: (no TLS|its API)"):
            async with connect(replace(access, port=plain.port), deadline_s=1):
                pass
        async with connect(replace(access, port=plain.port, tls=False)) as api:
            assert (await api.health()).name == "bras-1"


async def test_a_wrong_password_is_told_with_its_remedy(access: ApiAccess) -> None:
    with pytest.raises(NotLetIn, match=r"does not let user turnpike in .*correct username") as told:
        async with connect(replace(access, password=Secret(b"hunter2"))):
            pass
    assert "hunter2" not in str(told.value)


async def test_nobody_at_the_port_is_told_with_address_and_remedy(access: ApiAccess) -> None:
    with pytest.raises(NoAnswer, match=r"127.0.0.1 port 1 .*enable api-ssl in /ip service"):
        async with connect(replace(access, port=1)):
            pass


async def test_what_our_user_may_not_do_names_the_policies(
    access: ApiAccess, fake: FakeRouter
) -> None:
    fake.denied = frozenset({"/ppp/secret"})
    async with routeros.open_(access) as talk:
        with pytest.raises(NotLetIn, match="not enough permissions"):
            await routeros_lists.secrets(talk)
        assert await talk.ask("/system/identity/print")


async def test_a_command_without_an_answer_ends_in_time_and_the_connection_is_not_used_again(
    access: ApiAccess, fake: FakeRouter
) -> None:
    fake.silent_at = "/ppp/active/print"
    async with connect(access, deadline_s=0.3) as api:
        with pytest.raises(NoAnswer, match=r"/ppp/active/print took more than 0.3 s"):
            await api.actives()
        with pytest.raises(NoAnswer, match="is lost: connect again"):
            await api.health()


async def test_a_cancelled_command_leaves_no_answer_for_the_next(
    access: ApiAccess, fake: FakeRouter
) -> None:
    async with routeros.open_(access) as talk:
        fake.slow_s = 0.2
        asking = asyncio.create_task(talk.ask("/ppp/secret/print"))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(NoAnswer, match="is lost"):
            await talk.ask("/system/identity/print")


async def test_commands_of_several_tasks_wait_for_each_other(access: ApiAccess) -> None:
    async with connect(access) as api:
        told = await asyncio.gather(*(api.health() for _ in range(10)))
    assert {health.name for health in told} == {"bras-1"}


@pytest.mark.parametrize(
    "rubbish",
    [
        pytest.param(b"\x00", id="an empty sentence"),
        pytest.param(b"\xff\xff\xff\xff\xff", id="a length that there is not"),
        pytest.param(b"\x05!re", id="half a word"),
        pytest.param(b"\x03!re\x00" * 3, id="rows without an end"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", id="another protocol"),
        pytest.param(b"\x06!fatal\x05gone.\x00", id="the end"),
        pytest.param(b"\x06!fatal\x00", id="the end without a word"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_what_is_no_answer_is_a_refusal_that_names_the_nas(
    access: ApiAccess, fake: FakeRouter, rubbish: bytes
) -> None:
    async with connect(access, deadline_s=2) as api:
        fake.rubbish = rubbish
        with pytest.raises(NoAnswer, match="NAS bras-1: its API"):
            await api.health()
        fake.rubbish = None
        with pytest.raises(NoAnswer, match="is lost"):
            await api.health()
