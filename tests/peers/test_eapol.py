"""eapol_test, the supplicant of wpa_supplicant with a NAS around it, logs in at Turnpike.

It checks the Message-Authenticator of every reply, and the MPPE keys against its own.
"""

from pathlib import Path

import pytest

from tests.peers.programs import needs, run
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.peer


def eapol_test(
    isp: Turnpike, tmp_path: Path, *options: str, method: str, password: str, name: str = "alice"
) -> tuple[int, str]:
    network = f'key_mgmt=WPA-EAP\n eap={method}\n identity="{name}"\n password="{password}"'
    file = tmp_path / "eapol.conf"
    file.write_text(f"network={{\n {network}\n}}\n")
    done = run(
        needs("eapol_test"),
        *("-c", str(file), "-a", "127.0.0.1", "-p", str(isp.ports["auth"])),
        *("-s", SECRET, "-t", "10", *options),
    )
    return done.returncode, done.stdout


def test_eap_mschapv2_logs_in_and_both_sides_have_the_same_keys(
    isp: Turnpike, tmp_path: Path
) -> None:
    status, said = eapol_test(isp, tmp_path, method="MSCHAPV2", password=PASSWORD)
    assert "MPPE keys OK: 1  mismatch: 0" in said
    assert said.rstrip().endswith("SUCCESS")
    assert status == 0


def test_eap_md5_is_agreed_upon_by_a_peer_that_knows_no_other(
    isp: Turnpike, tmp_path: Path
) -> None:
    """It answers what we offer first with a Nak.  No keys: EAP-MD5 makes none."""
    status, said = eapol_test(isp, tmp_path, "-n", method="MD5", password=PASSWORD)
    assert said.rstrip().endswith("SUCCESS")
    assert status == 0


@pytest.mark.parametrize("method", ["MSCHAPV2", "MD5"])
@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_eap_fails_by_the_book(
    isp: Turnpike, tmp_path: Path, method: str, name: str, password: str
) -> None:
    status, said = eapol_test(isp, tmp_path, method=method, password=password, name=name)
    assert "CTRL-EVENT-EAP-FAILURE" in said
    assert said.rstrip().endswith("FAILURE")
    assert status != 0


@pytest.mark.parametrize("method", ["TLS", "PEAP"])
def test_a_method_that_we_do_not_have_is_refused_rather_than_left_hanging(
    isp: Turnpike, tmp_path: Path, method: str
) -> None:
    _, said = eapol_test(isp, tmp_path, method=method, password=PASSWORD)
    assert "code=3 (Access-Reject)" in said
    assert said.rstrip().endswith("FAILURE")
