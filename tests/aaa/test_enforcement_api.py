"""Where RADIUS does not get a session there, its router's own API does."""

from pathlib import Path

import pytest

from core.clock import Clock
from core.secret import Secret
from nas_adapters import api_registry
from nas_adapters.api_access import ROUTEROS, ApiSpec
from tests.aaa.enforcing import Enforcing, enforcing
from tests.nas_adapters.asked import nak, nas
from tests.nas_adapters.certificates import Certificate, self_signed
from tests.nas_adapters.fake_routeros import FakeRouter


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


def router() -> FakeRouter:
    """Where the session of the tests is online, fast."""
    return FakeRouter(
        menus={
            "/ppp/active": [
                {
                    ".id": "*1",
                    "name": "alice",
                    "service": "pppoe",
                    "caller-id": "station-a",
                    "address": "100.64.0.1",
                    "uptime": "1m",
                    "session-id": "0x81200001",
                }
            ],
            "/ip/hotspot/active": [],
            "/queue/simple": [
                {
                    ".id": "*2",
                    "name": "<pppoe-alice>",
                    "target": "<pppoe-alice>",
                    "max-limit": "20000000/50000000",
                    "dynamic": "true",
                }
            ],
        }
    )


async def told(isp: Enforcing, bras: int, box: FakeRouter, certificate: Certificate) -> None:
    """The way into the box, as an operator describes it."""
    spec = ApiSpec(ROUTEROS, "turnpike", "127.0.0.1", box.port, fingerprint=certificate.fingerprint)
    secrets = {"password": Secret(b"geheim")}
    async with isp.app.transaction(isp.isp.tenant_id) as tx:
        await api_registry.put(
            tx, isp.vault, isp.isp.tenant_id, bras, spec, secrets, now=Clock().now()
        )


async def test_a_rate_alone_is_changed_and_nobody_is_ended_for_it(
    fresh_database_url: str, tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 406), asked)) as deaf,
        router().listening(certificate.server) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(deaf.address[1])
        await told(isp, bras, box, certificate)
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "done")
        assert (row["rung"], row["applied"]) == ("api", row["wanted"])
        assert box.menus["/queue/simple"][0]["max-limit"] == "20M/1M"
        assert len(box.menus["/ppp/active"]) == 1


async def test_who_may_not_be_online_is_ended_there(
    fresh_database_url: str, tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 406), asked)) as deaf,
        router().listening(certificate.server) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(deaf.address[1])
        await told(isp, bras, box, certificate)
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert row["rung"] == "api"
        assert box.menus["/ppp/active"] == []


async def test_a_router_that_lets_us_not_in_ends_the_ladder_with_its_words(
    fresh_database_url: str, tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 406), asked)) as deaf,
        router().listening(certificate.server) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        box.password = "another"
        bras = await isp.nas(deaf.address[1])
        await told(isp, bras, box, certificate)
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "waiting")
        assert "api: NAS bras-1" in row["cause"]
        assert len(box.menus["/ppp/active"]) == 1


async def test_a_way_in_that_is_described_later_is_taken_by_those_who_wait(
    fresh_database_url: str, tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 406), asked)) as deaf,
        router().listening(certificate.server) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(deaf.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "waiting")
        await told(isp, bras, box, certificate)
        await isp.whole.run()
        await isp.becomes(session, "told")
        assert box.menus["/ppp/active"] == []
