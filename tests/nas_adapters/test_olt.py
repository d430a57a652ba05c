"""ONUs of every kind of OLT, read from snmpsim.  The recordings are synthetic: they hold what
the tables are said to hold, and prove the decoding, not the devices."""

from collections.abc import Iterator
from typing import Any

import pytest

from nas_adapters import snmp
from nas_adapters.olt.onu import Onu, State
from nas_adapters.olt.reading import DIALECTS, onus
from nas_adapters.trouble import WillNot
from tests.nas_adapters.snmpsim import WALKS, Agents, agents

pytestmark = pytest.mark.slow  # snmpsim takes its time


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    with agents(tmp_path_factory.mktemp("snmpsim")) as one:
        yield one


async def read(sim: Agents, kind: str, **more: Any) -> list[Onu]:
    async with snmp.open_(sim.v2c(kind)) as agent:
        return await onus(agent, DIALECTS[kind], **more)


async def test_huawei(sim: Agents) -> None:
    alice, bob, last = await read(sim, "huawei")
    assert alice == Onu(
        port="0/1/0",
        number=0,
        serial="HWTC1A2B3C4D",
        state=State.ONLINE,
        rx_dbm=-18.73,
        olt_rx_dbm=-20.5,
        distance_m=1520,
        name="alice",
    )
    assert (bob.state, bob.rx_dbm, bob.olt_rx_dbm, bob.distance_m) == (
        State.OFFLINE,
        None,
        None,
        None,
    )
    assert bob.serial == "HWTCAABBCC02"
    assert (last.port, last.number, last.rx_dbm) == ("0/2/3", 7, -26.5)


async def test_zte_c300(sim: Agents) -> None:
    alice, bob, carol, dan = await read(sim, "zte_c300")
    assert alice == Onu(
        port="gpon_1/1/1",
        number=1,
        serial="ZTEGC1234567",
        state=State.ONLINE,
        rx_dbm=-19.0,
        distance_m=812,
        name="alice",
    )
    assert (bob.serial, bob.state, bob.rx_dbm) == ("ZTEGC0000002", State.LOS, None)
    assert (carol.serial, carol.state, carol.rx_dbm) == ("ZTEGC0000003", State.DYING_GASP, -40.0)
    assert (dan.state, dan.rx_dbm, dan.distance_m) == (State.REFUSED, -30.0, None)


async def test_zte_c600_counts_its_phases_otherwise_and_knows_onus_that_were_never_on(
    sim: Agents,
) -> None:
    alice, bob, carol, dan = await read(sim, "zte_c600")
    assert alice == Onu(
        port="1/3/1",
        number=1,
        serial="ZTEGD1000001",
        state=State.ONLINE,
        rx_dbm=-21.05,
        olt_rx_dbm=-22.35,
        name="alice",
    )
    assert (bob.serial, bob.state, bob.olt_rx_dbm) == ("ZTEGD1000002", State.OFFLINE, None)
    assert (carol.state, dan.state) == (State.DISABLED, State.DYING_GASP)


async def test_vsol_says_powers_in_words(sim: Agents) -> None:
    alice, bob, last = await read(sim, "vsol")
    assert alice == Onu(
        port="5",
        number=17,
        serial="VSOL00F530FE",
        state=State.ONLINE,
        rx_dbm=-19.86,
        distance_m=1240,
        name="alice",
    )
    assert (bob.state, bob.rx_dbm) == (State.OFFLINE, None)
    assert (last.port, last.number, last.rx_dbm) == ("6", 1, -21.3)


async def test_bdcom_gpon_and_epon(sim: Agents) -> None:
    first, second, third, fourth, fifth = await read(sim, "bdcom")
    assert first == Onu(
        port="0/1",
        number=3,
        serial="BDCM1A2B3C4D",
        state=State.ONLINE,
        rx_dbm=-21.5,
        distance_m=660,
    )
    assert (second.serial, second.state, second.rx_dbm) == ("BDCM1A2B3C4E", State.LOS, None)
    assert (third.serial, third.port, third.state) == ("BDCM1A2B3C4F", "0/2", State.DISABLED)
    assert fourth == Onu(
        port="0/4",
        number=12,
        serial="02005e100001",
        state=State.ONLINE,
        rx_dbm=-18.3,
        distance_m=812,
    )
    assert (fifth.state, fifth.rx_dbm) == (State.OFFLINE, None)


async def test_cdata(sim: Agents) -> None:
    alice, bob, last = await read(sim, "cdata")
    assert alice == Onu(
        port="1",
        number=1,
        serial="CDTC1A2B3C4D",
        state=State.ONLINE,
        rx_dbm=-21.45,
        distance_m=1830,
        name="alice",
    )
    assert (bob.state, bob.rx_dbm) == (State.OFFLINE, None)
    assert (last.port, last.number, last.rx_dbm) == ("4", 128, None)


async def test_one_port_alone_can_be_read(sim: Agents) -> None:
    [one] = await read(sim, "huawei", within=(0xFA000000 | 2 << 13 | 3 << 8,))
    assert (one.port, one.number) == ("0/2/3", 7)


async def test_an_agent_without_these_tables_is_a_refusal_and_not_an_empty_olt(
    sim: Agents,
) -> None:
    async with snmp.open_(sim.v2c("router")) as agent:
        with pytest.raises(WillNot, match=r"no ONU in the tables of cdata: see that snmp\.olt"):
            await onus(agent, DIALECTS["cdata"])


def test_a_recording_of_an_olt_that_was_tried_is_not_called_synthetic() -> None:
    for name, olt in DIALECTS.items():
        text = (WALKS / f"{name}.snmprec").read_text()
        assert text.startswith("# Synthetic") == (olt.tried == ""), name
