"""The bench loads Turnpike as it loads FreeRADIUS, and asks both the same."""

import shutil
from pathlib import Path

import pytest

from bench import packets, radload, replies
from bench.measure import visit
from bench.turnpike import installation

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("gcc") or shutil.which("cc")), reason="radload needs a C compiler"
    ),
]
SUBSCRIBERS = 256


def test_an_installation_answers_every_method_and_its_cost_is_seen(tmp_path: Path) -> None:
    radload.build()
    with installation(SUBSCRIBERS, workers=1) as (turnpike, _), turnpike.serving():
        for method in packets.METHODS:
            packets.write(tmp_path / method, method, SUBSCRIBERS, requests=2_048)
            replies.check("Turnpike", turnpike.server.port, tmp_path / method, method)
            sample = visit(
                method, turnpike.server, 0, tmp_path / method, window=16, count=2_048, timeout_s=5,
                want_message_authenticator=True,
            )  # fmt: skip
            assert sample.outcome.codes == {"2": 2_048}
            assert sample.server_us > 0
        assert turnpike.worker_private_octets() > 5e6
        status = turnpike.sql("UPDATE entitlement SET valid_until = now() + interval '1 year'")
        assert status == f"UPDATE {SUBSCRIBERS}"
