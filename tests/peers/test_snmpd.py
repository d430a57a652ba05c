"""net-snmp's agent: SNMPv3 with both keys, and the interfaces of this machine."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.secret import Secret
from nas_adapters import snmp, snmp_system
from nas_adapters.api_access import SnmpAccess
from nas_adapters.trouble import NoAnswer, NotLetIn
from tests.peers.programs import needs, running

pytestmark = pytest.mark.peer

CONFIGURATION = """
agentaddress udp:127.0.0.1:{port}
sysName snmpd-of-the-tests
rocommunity lesbar 127.0.0.1
rouser weak auth
rouser monitor priv
rouser strong priv
"""
USERS = """
createUser monitor SHA-256 auth-passphrase AES privacy-passphrase
createUser strong SHA-512 auth-passphrase AES-256 privacy-passphrase
createUser weak SHA auth-passphrase
"""


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnmpAccess]:
    program = needs("snmpd")
    directory = tmp_path_factory.mktemp("snmpd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    configuration = directory / "snmpd.conf"
    configuration.write_text(CONFIGURATION.format(port=port) + USERS)
    command = (program, "-f", "-Lo", "-C", "-c", str(configuration), "-I", "-smux")
    with running(
        *command,
        log=directory / "log",
        ready="NET-SNMP version",
        SNMP_PERSISTENT_DIR=str(directory),
    ):
        yield SnmpAccess(
            nas="bras-1",
            host="127.0.0.1",
            port=port,
            version="3",
            username="monitor",
            auth_key=Secret(b"auth-passphrase"),
            privacy_key=Secret(b"privacy-passphrase"),
        )


async def test_v3_proves_and_hides_its_messages(v3: SnmpAccess) -> None:
    async with snmp.open_(v3) as agent:
        found = await snmp_system.system(agent)
        interfaces = {each.name: each for each in await snmp_system.interfaces(agent)}
    assert found.name == "snmpd-of-the-tests"
    assert found.uptime_s is not None
    assert found.uptime_s < 3600
    loopback = interfaces["lo"]
    assert loopback.state == "up"
    assert loopback.in_octets is not None
    assert loopback.in_octets == loopback.out_octets


async def test_v3_with_the_longest_keys(v3: SnmpAccess) -> None:
    access = replace(v3, username="strong", auth="sha512", privacy="aes256")
    async with snmp.open_(access) as agent:
        assert (await snmp_system.system(agent)).name == "snmpd-of-the-tests"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"username": "nobody"}, id="name"),
        pytest.param({"auth_key": Secret(b"another-passphrase")}, id="key"),
        pytest.param({"auth": "sha"}, id="hash"),
        pytest.param({"username": "weak", "auth": "sha"}, id="a user without privacy"),
    ],
)
async def test_a_name_or_key_that_it_does_not_take_is_told_as_such(
    v3: SnmpAccess, wrong: dict[str, Any]
) -> None:
    async with snmp.open_(replace(v3, **wrong), timeout_s=1, retries=0) as agent:
        with pytest.raises(
            NotLetIn, match=r"NAS bras-1: its SNMP does not let user \w+ in"
        ) as told:
            await snmp_system.system(agent)
    assert "passphrase" not in str(told.value)


async def test_a_wrong_privacy_key_is_no_answer_that_can_be_read(v3: SnmpAccess) -> None:
    access = replace(v3, privacy_key=Secret(b"another-passphrase"))
    async with snmp.open_(access, timeout_s=0.5, retries=0) as agent:
        with pytest.raises((NotLetIn, NoAnswer)):
            await snmp_system.system(agent)


async def test_v2c_and_a_whole_walk(v3: SnmpAccess) -> None:
    access = replace(v3, version="2c", community=Secret(b"lesbar"))
    async with snmp.open_(access) as agent:
        rows = await agent.walk((1, 3, 6, 1, 2, 1, 2))
    assert len(rows) > 20
    assert rows == sorted(rows, key=lambda row: row[0])
