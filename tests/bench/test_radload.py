"""The load generator believes signed answers, counts the others, and stays on this machine."""

import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from bench import packets, radload
from bench.population import SECRET
from core.radius.authenticity import SharedSecret
from core.radius.packet import Packet
from core.radius.types import ACCESS_ACCEPT, ACCESS_REJECT
from tests.bench.answering import answering, signed

pytestmark = pytest.mark.skipif(
    not (shutil.which("gcc") or shutil.which("cc")), reason="radload needs a C compiler"
)
REQUESTS = 512
SHARED = SharedSecret(SECRET.encode())
SHORT: radload.Options = {"window": 16, "count": 200, "timeout_s": 0.1}
STRICT: radload.Options = {**SHORT, "want_message_authenticator": True}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    radload.build()
    path = tmp_path_factory.mktemp("requests") / "pap"
    assert packets.write(path, "pap", 100, requests=REQUESTS) == REQUESTS
    return path


def test_signed_answers_are_counted(file: Path) -> None:
    with answering(signed(SECRET)) as server:
        outcome = radload.load(file, server.port, **SHORT)
    assert (outcome.sent, outcome.answered, outcome.lost) == (200, 200, 0)
    assert outcome.codes == {"2": 200}
    assert outcome.forged == outcome.wrong_code == outcome.without_message_authenticator == 0
    assert 0 < outcome.p50_us <= outcome.p99_us <= outcome.max_us


def test_answers_under_another_secret_are_no_answers(file: Path) -> None:
    with answering(signed("another")) as server:
        outcome = radload.load(file, server.port, **SHORT)
    assert outcome.answered == 0
    assert outcome.wrong_authenticator == outcome.lost == 200


def test_a_wrong_message_authenticator_is_noticed_behind_a_right_response_authenticator(
    file: Path,
) -> None:
    def answer(request: Packet, _before: int) -> list[bytes]:
        spoilt = bytes((80, 18)) + bytes(16)
        return [SHARED.reply(ACCESS_ACCEPT, request, spoilt, signed=False)]

    with answering(answer) as server:
        outcome = radload.load(file, server.port, **SHORT)
    assert outcome.answered == 0
    assert outcome.wrong_message_authenticator == 200


def test_an_unsigned_answer_counts_unless_a_message_authenticator_is_wanted(file: Path) -> None:
    def answer(request: Packet, _before: int) -> list[bytes]:
        return [SHARED.reply(ACCESS_ACCEPT, request, b"", signed=False)]

    with answering(answer) as server:
        assert radload.load(file, server.port, **SHORT).answered == 200
        strict = radload.load(file, server.port, **STRICT)
    assert strict.answered == 0


def test_a_forgery_before_the_answer_does_not_take_its_place(file: Path) -> None:
    def answer(request: Packet, _before: int) -> list[bytes]:
        forged = SharedSecret(b"guess").reply(ACCESS_REJECT, request, b"")
        return [forged, SHARED.reply(ACCESS_ACCEPT, request, b"")]

    with answering(answer) as server:
        outcome = radload.load(file, server.port, **SHORT)
    assert outcome.codes == {"2": 200}
    assert outcome.wrong_authenticator == 200


def test_an_answer_of_another_code_than_expected_is_counted(file: Path) -> None:
    with answering(signed(SECRET, ACCESS_REJECT)) as server:
        outcome = radload.load(file, server.port, **SHORT)
    assert outcome.codes == {"3": 200}
    assert outcome.wrong_code == 200


def test_what_nobody_answers_is_sent_again_unchanged_and_then_lost(file: Path) -> None:
    with answering(lambda _request, _before: []) as server:
        outcome = radload.load(file, server.port, window=8, count=8, timeout_s=0.05, retries=2)
    assert (outcome.sent, outcome.retransmitted, outcome.lost) == (8, 16, 8)
    assert Counter(Counter(server.received).values()) == {3: 8}


def test_an_answer_to_a_retransmission_counts_once(file: Path) -> None:
    def answer(request: Packet, before: int) -> list[bytes]:
        return [SHARED.reply(ACCESS_ACCEPT, request, b"")] * 2 if before else []

    with answering(answer) as server:
        outcome = radload.load(file, server.port, window=8, count=32, timeout_s=0.05, retries=2)
    assert outcome.answered == 32
    assert outcome.late > 0


def test_no_two_requests_of_a_run_look_like_duplicates(file: Path) -> None:
    with answering(signed(SECRET)) as server:
        radload.load(file, server.port, window=16, count=3 * REQUESTS)
    assert len(server.received) == len(set(server.received)) == 3 * REQUESTS
    assert len({port for _, port, _ in server.received}) == 64


def test_open_loop_counts_the_time_from_when_a_request_was_due(file: Path) -> None:
    stalled: list[float] = []

    def answer(request: Packet, _before: int) -> list[bytes]:
        if not stalled:
            stalled.append(1.0)
            time.sleep(0.2)  # everything due meanwhile waits, and must say so
        return [SHARED.reply(ACCESS_ACCEPT, request, b"")]

    with answering(answer) as server:
        outcome = radload.load(file, server.port, rate=500, seconds=0.4)
    assert outcome.answered == outcome.sent == 200
    assert outcome.p90_us > 100_000


def test_a_flood_comes_from_many_addresses_that_nobody_bound(file: Path) -> None:
    with answering(lambda _request, _before: []) as server:
        outcome = radload.load(
            file, server.port, rate=2_000, count=400, seconds=5, flood=True,
            source=radload.FLOOD_SOURCE, sources=100,
        )  # fmt: skip
        deadline = time.monotonic() + 5
        while len(server.received) < 400 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert outcome.sent == 400
    assert outcome.answered == 0
    assert len({address for address, _, _ in server.received}) == 100


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(["--target", "192.0.2.1:1812"], id="a target elsewhere"),
        pytest.param(["--source", "10.0.0.1"], id="a source elsewhere"),
        pytest.param(["--source", "127.255.255.255", "--sources", "2"], id="sources that run over"),
    ],
)
def test_it_refuses_to_leave_this_machine(file: Path, wrong: list[str]) -> None:
    command = [*radload.arguments(file, 9, window=1, count=1), *wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "127.0.0.0/8" in done.stderr


def test_it_refuses_to_run_without_an_end(file: Path) -> None:
    command = radload.arguments(file, 9, window=1)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "bound the run" in done.stderr
