"""SNMP against snmpsim: what is told, silence, and bounds.  v3 is in tests/peers/test_snmpd.py."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from nas_adapters import snmp, snmp_system
from nas_adapters.snmp_system import Interface
from nas_adapters.trouble import NoAnswer, WillNot
from tests.nas_adapters.snmpsim import Agents, agents

pytestmark = pytest.mark.slow  # snmpsim takes its time


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    with agents(tmp_path_factory.mktemp("snmpsim")) as one:
        yield one


async def test_an_agent_tells_who_it_is(sim: Agents) -> None:
    async with snmp.open_(sim.v2c("router")) as agent:
        found = await snmp_system.system(agent)
    assert (found.name, found.uptime_s) == ("bras-1", 1_234_567.0)
    assert found.description.startswith("RouterOS CCR2004")


async def test_interfaces_have_64_bit_counters_and_those_without_have_none(sim: Agents) -> None:
    async with snmp.open_(sim.v2c("router")) as agent:
        first, _, third = await snmp_system.interfaces(agent)
    assert first == Interface(
        index=1,
        name="ether1",
        alias="uplink",
        state="up",
        speed_bps=10_000_000_000,
        in_octets=12_345_678_901_234,
        out_octets=98_765_432_109_876,
    )
    assert (third.name, third.state) == ("pppoe-in1", "lower layer down")
    assert (third.in_octets, third.speed_bps) == (None, None)


async def test_a_wrong_community_is_silence_and_the_remedy_says_so(sim: Agents) -> None:
    began = time.monotonic()
    async with snmp.open_(sim.v2c("nobody"), timeout_s=0.3, retries=1) as agent:
        with pytest.raises(NoAnswer, match="see that the community is right") as told:
            await snmp_system.system(agent)
    assert time.monotonic() - began < 3
    assert "nobody" not in str(told.value)


async def test_a_walk_of_what_is_not_there_is_empty(sim: Agents) -> None:
    async with snmp.open_(sim.v2c("router")) as agent:
        assert await agent.walk((1, 3, 6, 1, 4, 1, 99999)) == []
        assert await agent.walk((1, 3, 6, 1, 6, 99)) == []  # beyond the last of all


async def test_a_walk_ends_where_its_table_ends(sim: Agents) -> None:
    async with snmp.open_(sim.v2c("router")) as agent:
        names = await agent.walk((1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1))
    assert names == [((1,), b"ether1"), ((2,), b"ether2")]


async def test_a_walk_has_a_deadline_and_a_bound(
    sim: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with snmp.open_(sim.v2c("router"), walk_s=0.001) as agent:
        with pytest.raises(NoAnswer, match=r"its SNMP is slow: walking 1\.3\.6\.1 took more than"):
            await agent.walk((1, 3, 6, 1))
    monkeypatch.setattr(snmp, "ROWS_MAX", 10)
    async with snmp.open_(sim.v2c("router")) as agent:
        with pytest.raises(WillNot, match="more than 10 rows below"):
            await agent.walk((1, 3, 6, 1))


class Circling(asyncio.DatagramProtocol):
    """An agent whose answer to everything is the same two OIDs."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked, _ = decoder.decode(data, asn1Spec=v2c.Message())
        answer = v2c.apiMessage.get_response(asked)
        root = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
        rows = [((*root, number), v2c.OctetString(b"x")) for number in (1, 2)]
        v2c.apiPDU.set_varbinds(v2c.apiMessage.get_pdu(answer), rows)
        self.transport.sendto(encoder.encode(answer), addr)


async def test_an_agent_that_goes_in_circles_is_not_walked_for_ever(sim: Agents) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Circling, local_addr=("127.0.0.1", 0))
    port: int = transport.get_extra_info("sockname")[1]
    try:
        async with snmp.open_(replace(sim.v2c("x"), port=port), walk_s=5) as agent:
            with pytest.raises(WillNot, match="goes in circles"):
                await agent.walk((1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1))
    finally:
        transport.close()


async def test_a_host_that_has_no_address_is_told(sim: Agents) -> None:
    access = replace(sim.v2c("router"), host="no-such-host.invalid")
    with pytest.raises(NoAnswer, match=r"no address for no-such-host\.invalid"):
        async with snmp.open_(access):
            pass
