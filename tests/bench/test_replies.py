"""A server that accepts but grants nothing is not measured."""

from pathlib import Path

import pytest

from bench import packets, replies
from bench.population import SECRET
from bench.processes import Failed
from core.radius.types import ACCESS_REJECT
from tests.bench.answering import answering, signed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    packets.write(tmp_path / "pap", "pap", 10)
    return tmp_path / "pap"


def test_a_bare_accept_is_noticed(file: Path) -> None:
    with (
        answering(signed(SECRET)) as server,
        pytest.raises(Failed, match=r"rate limit, pool, session timeout.*class"),
    ):
        replies.check("bare", server.port, file, "pap")


def test_a_reject_is_noticed(file: Path) -> None:
    with (
        answering(signed(SECRET, ACCESS_REJECT)) as server,
        pytest.raises(Failed, match="code 3"),
    ):
        replies.check("strict", server.port, file, "pap")
