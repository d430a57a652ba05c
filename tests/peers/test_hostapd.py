"""hostapd, an access switch with one port, and wpa_supplicant, who is plugged into it.

Wired 802.1X: hostapd carries EAP between the two, reports the session, and ends it when it is
told to at its dynamic-authorization port.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.secret import Secret
from nas_adapters import hostapd
from nas_adapters.base import Attr, SessionRef, Step, Verb
from nas_adapters.coa import Acked, CoaTarget, Naked, Silent
from tests.peers.namespaces import Namespace, cable, into, namespace, out_of
from tests.peers.programs import needs, running, said
from tests.peers.telling import told
from tests.serving import PASSWORD, SECRET, Turnpike, eventually

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

    isp: Turnpike
    box: Namespace
    desk: Namespace
    directory: Path
    coa_port: int

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

    def sessions(self, *, are_open: bool) -> list[dict[str, Any]]:
        """As Turnpike lists them, newest first."""
        found = self.isp.command("session", "list", "--nas", "access-switch", "--json")
        return [one for one in json.loads(found) if (one["stopped_at"] is None) == are_open]

    def session(self, *, lasts_s: int = 0) -> dict[str, Any]:
        """All that is known of the one that is open, once it is reported to last so long."""
        found: list[dict[str, Any]] = []

        def is_known() -> bool:
            found[:] = self.sessions(are_open=True)
            return bool(found) and found[0]["session_time_s"] >= lasts_s

        eventually(is_known, 60.0, lambda: f"{found}\n{said(self.log)[-3000:]}")
        [one] = found
        return self.known(one["id"])

    def known(self, session_id: int) -> dict[str, Any]:
        return dict(json.loads(self.isp.command("session", "show", str(session_id), "--json")))

    def ended(self, session: dict[str, Any]) -> tuple[str, str | None]:
        """Wait until it is over; what ended it, and its cause."""
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(self.known(session["id"]))
            return found["stopped_at"] is not None

        eventually(is_over, 60.0, lambda: f"{found}\n{said(self.log)[-3000:]}")
        return found["closed_by"], found["terminate_cause"]

    @property
    def target(self) -> CoaTarget:
        return CoaTarget(ADDRESS, self.coa_port, Secret(SECRET.encode()))


def ending(session: dict[str, Any]) -> Step:
    """What the dialect says to end it."""
    step = hostapd.disconnect(
        SessionRef(
            acct_session_id=session["acct_session_id"],
            user_name=session["username"],
            calling_station=session["calling_station"] or "",
            multi_session_id=session["multi_session_id"] or "",
            nas_identifier=session["nas_identifier"],
            nas_address=session["nas_ip_address"],
        )
    )
    assert isinstance(step, Step)
    return step


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
        yield Switch(isp, box, desk, tmp_path_factory.mktemp("hostapd"), coa_port)


@pytest.fixture
def powered(switch: Switch) -> Iterator[Switch]:
    with switch.powered():
        yield switch


@pytest.mark.parametrize("method", ["MSCHAPV2", "MD5"])
def test_who_is_plugged_in_is_a_session_until_he_logs_off(powered: Switch, method: str) -> None:
    with powered.plugged_in(method):
        session = powered.session(lasts_s=1)
        powered.log_off()
        assert powered.ended(session) == ("stop", "User-Request")
    known = powered.known(session["id"])
    assert (known["username"], known["subscriber"]) == ("alice", "alice")
    assert (known["nas_identifier"], known["nas_ip_address"]) == ("access-switch", ADDRESS)
    assert known["class_nonce"], "hostapd returned our Class, which makes the session this login's"
    assert known["mac"]
    assert known["session_time_s"] >= session["session_time_s"]


@pytest.mark.parametrize("method", ["MSCHAPV2", "MD5"])
def test_a_wrong_password_opens_no_port(powered: Switch, method: str) -> None:
    with powered.plugged_in(method, "wrong", until="EAP-FAILURE"):
        assert "AP-STA-CONNECTED" not in said(powered.log)
        assert powered.sessions(are_open=True) == []


async def test_it_ends_a_session(powered: Switch) -> None:
    with powered.plugged_in():
        session = powered.session()
        assert isinstance(await told(powered.target, ending(session)), Acked)
        # Its Stop has no cause at all.
        assert powered.ended(session) == ("stop", None)


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
    answer = await told(powered.target, step)
    assert isinstance(answer, Naked)
    assert answer.error_cause == 401


async def test_it_does_not_listen_to_another_secret(powered: Switch) -> None:
    target = CoaTarget(ADDRESS, powered.coa_port, Secret(b"another"))
    step = Step(Verb.DISCONNECT, (SOMEBODY,))
    assert isinstance(await told(target, step), Silent)


async def test_what_a_power_cut_ended_is_over_when_it_is_back(switch: Switch) -> None:
    with switch.powered() as pid, switch.plugged_in():
        session = switch.session()
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(1)  # the clock of records knows seconds, and no box boots within one
    with switch.powered():
        assert switch.ended(session)[0] == "accounting-on"
        answer = await told(switch.target, ending(session))
    assert isinstance(answer, Naked)
    assert answer.error_cause == 503


def test_who_is_there_when_it_is_switched_off_is_told_of(switch: Switch) -> None:
    with switch.powered(), switch.plugged_in():
        session = switch.session()
    assert switch.ended(session)[0] == "stop"
