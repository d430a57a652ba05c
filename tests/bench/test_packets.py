"""The request files hold what a BRAS would send, and FreeRADIUS agrees."""

import shutil
from pathlib import Path

import pytest

from bench import freeradius, packets, radload, replies
from bench.population import SECRET
from core.radius.authenticity import SharedSecret
from core.radius.packet import parse
from core.radius.types import ACCESS_ACCEPT, ACCESS_REJECT, USER_NAME


def test_every_request_is_signed_numbered_and_expects_an_accept(tmp_path: Path) -> None:
    packets.write(tmp_path / "f", "chap", 300)
    secret, requests = packets.read(tmp_path / "f")
    assert secret == SECRET.encode()
    assert len(requests) == 512
    for n, (expected, octets) in enumerate(requests):
        packet = parse(octets)
        assert packet.identifier == n % 256
        assert SharedSecret(secret).signs(packet)
        assert expected == ACCESS_ACCEPT
    assert len({parse(octets).authenticator for _, octets in requests}) == 512


def test_everybody_logs_in_before_anybody_does_it_again(tmp_path: Path) -> None:
    packets.write(tmp_path / "f", "pap", 512, first=1_000)
    _, requests = packets.read(tmp_path / "f")
    names = {parse(octets).get(USER_NAME) for _, octets in requests}
    assert names == {b"user%07d" % number for number in range(1_000, 1_512)}


def test_the_same_arguments_make_the_same_octets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        packets.write(tmp_path / name, "mschapv2", 20)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("freeradius"), reason="FreeRADIUS is not installed")
def test_freeradius_accepts_every_method_and_rejects_the_wrong_password(tmp_path: Path) -> None:
    radload.build()
    packets.write(tmp_path / "wrong", "pap", 10, wrong_password=True)
    with freeradius.files(256) as server:
        for method in packets.METHODS:
            packets.write(tmp_path / method, method, 256)
            replies.check("FreeRADIUS", server.port, tmp_path / method, method)
            outcome = radload.load(tmp_path / method, server.port, window=16, count=256)
            assert outcome.codes == {str(ACCESS_ACCEPT): 256}, method
            assert outcome.forged == 0
        outcome = radload.load(tmp_path / "wrong", server.port, window=10, count=10, timeout_s=5)
        assert outcome.codes == {str(ACCESS_REJECT): 10}
        assert outcome.wrong_code == 0
