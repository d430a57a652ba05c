"""hostapd, an access switch with one port, and wpa_supplicant, who is plugged into it.

Wired 802.1X: hostapd carries EAP between the two, reports the session, and ends it when it is
told to at its dynamic-authorization port.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.secret import Secret
from nas_adapters import hostapd
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa import Naked, Silent
from tests.peers.books import Books, ending
from tests.peers.namespaces import Namespace, cable, into, namespace, out_of
from tests.peers.programs import needs, running, said
from tests.peers.telling import told
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = [pytest.mark.peer, pytest.mark.slow]

ADDRESS = "127.0.0.40"
SOMEBODY = Attr("Acct-Session-Id", "0123456789ABCDEF")
SWITCH = """
interface=cable
driver=wired
logger_stdout=-1
logger_stdout_level=1
ctrl_interface={directory}/hostapd
ieee8021x=1
use_pae_group_addr=1
eapol_version=2
own_ip_addr={address}
nas_identifier=access-switch
auth_server_addr=127.0.0.1
auth_server_shared_secret={secret}
acct_server_addr=127.0.0.1
acct_server_shared_secret={secret}
radius_acct_interim_interval=1
radius_das_port=3799
radius_das_client=127.0.0.1 {secret}
radius_das_require_event_timestamp=1
radius_das_require_message_authenticator=1
"""
SUPPLICANT = """
ctrl_interface={directory}/wpa
ap_scan=0
network={{
    key_mgmt=IEEE8021X
    eapol_flags=0
    eap={method}
    identity="alice"
    password="{password}"
}}
"""


@dataclass(frozen=True, slots=True)
class Switch:
    """A box with one port, and the desk that a cable leads to."""

    books: Books
    box: Namespace
    desk: Namespace
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "hostapd.log"

    @contextmanager
    def powered(self) -> Iterator[int]:
        """Switched on, and off in good order; its process id."""
        configuration = self.directory / "hostapd.conf"
        configuration.write_text(
            SWITCH.format(directory=self.directory, secret=SECRET, address=ADDRESS)
        )
        self.log.write_text("")
        command = self.box.inside(needs("hostapd"), "-d", str(configuration))
        with running(*command, log=self.log, ready="AP-ENABLED") as process:
            yield process.pid

    @contextmanager
    def plugged_in(
        self, method: str = "MSCHAPV2", password: str = PASSWORD, *, until: str = "EAP-SUCCESS"
    ) -> Iterator[None]:
        """Somebody, from when he has heard so."""
        configuration, log = self.directory / "wpa.conf", self.directory / "wpa.log"
        configuration.write_text(
            SUPPLICANT.format(directory=self.directory, method=method, password=password)
        )
        log.write_text("")
        command = (needs("wpa_supplicant"), "-D", "wired", "-i", "cable", "-c", str(configuration))
        with running(*self.desk.inside(*command), log=log, ready=f"CTRL-EVENT-{until}"):
            yield

    def log_off(self) -> None:
        self.desk.run(needs("wpa_cli"), "-p", str(self.directory / "wpa"), "logoff")


@pytest.fixture(scope="module")
def switch(isp: Turnpike, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    needs("hostapd")
    with (
        namespace() as box,
        namespace() as desk,
        out_of(box, 1812, isp.auth, source=ADDRESS),
        out_of(box, 1813, isp.acct, source=ADDRESS),
        into(box, 3799, address=ADDRESS) as (_, coa_port),
    ):
        cable(box, desk)
        isp.apply(
            {
                "tenant": "test-isp",
                "nas": [
                    {
                        "name": "access-switch",
                        "address": ADDRESS,
                        "secret": SECRET,
                        "vendor": "hostapd",
                        "coa_port": coa_port,
                    }
                ],
            }
        )
        books = Books(isp, "access-switch", ADDRESS, coa_port)
        yield Switch(books, box, desk, tmp_path_factory.mktemp("hostapd"))


@pytest.fixture
def powered(switch: Switch) -> Iterator[Switch]:
    with switch.powered():
        yield switch


@pytest.mark.parametrize("method", ["MSCHAPV2", "MD5"])
def test_who_is_plugged_in_is_a_session_until_he_logs_off(powered: Switch, method: str) -> None:
    with powered.plugged_in(method):
        session = powered.books.session(lasts_s=1)
        powered.log_off()
        known = powered.books.ended(session)
    assert (known["closed_by"], known["terminate_cause"]) == ("stop", "User-Request")
    assert (known["username"], known["subscriber"]) == ("alice", "alice")
    assert (known["nas_identifier"], known["nas_ip_address"]) == ("access-switch", ADDRESS)
    assert known["class_nonce"], "hostapd returned our Class, which makes the session this login's"
    assert known["mac"]
    assert known["session_time_s"] >= session["session_time_s"]


@pytest.mark.parametrize("method", ["MSCHAPV2", "MD5"])
def test_a_wrong_password_opens_no_port(powered: Switch, method: str) -> None:
    with powered.plugged_in(method, "wrong", until="EAP-FAILURE"):
        assert "AP-STA-CONNECTED" not in said(powered.log)
        assert powered.books.online() == []


def test_an_operator_ends_a_session_there(powered: Switch) -> None:
    with powered.plugged_in():
        session = powered.books.session()
        powered.books.isp.command("session", "disconnect", str(session["id"]))
        known = powered.books.ended(session)
    # Its Stop has no cause at all.
    assert (known["closed_by"], known["terminate_cause"]) == ("stop", None)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(Step(Verb.COA, (SOMEBODY, Attr("Session-Timeout", 600))), id="any CoA"),
        pytest.param(
            Step(Verb.DISCONNECT, (SOMEBODY, Attr("Framed-IP-Address", "192.0.2.1"))),
            id="an address, which the dialect leaves out for this",
        ),
    ],
)
async def test_what_it_cannot_do_it_refuses_for_its_attributes(powered: Switch, step: Step) -> None:
    """401, which makes enforcement go on with a Disconnect."""
    answer = await told(powered.books.target, step)
    assert isinstance(answer, Naked)
    assert answer.error_cause == 401


async def test_it_does_not_listen_to_another_secret(powered: Switch) -> None:
    target = replace(powered.books.target, secret=Secret(b"another"))
    step = Step(Verb.DISCONNECT, (SOMEBODY,))
    assert isinstance(await told(target, step), Silent)


async def test_what_a_power_cut_ended_is_over_when_it_is_back(switch: Switch) -> None:
    with switch.powered() as pid, switch.plugged_in():
        session = switch.books.session()
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(1)  # the clock of records knows seconds, and no box boots within one
    with switch.powered():
        assert switch.books.ended(session)["closed_by"] == "accounting-on"
        answer = await told(switch.books.target, ending(hostapd, session))
    assert isinstance(answer, Naked)
    assert answer.error_cause == 503


def test_who_is_there_when_it_is_switched_off_is_told_of(switch: Switch) -> None:
    with switch.powered(), switch.plugged_in():
        session = switch.books.session()
    assert switch.books.ended(session)["closed_by"] == "stop"
