"""`turnpike simulate` as it is typed: what is refused with which words, and how it ends early."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from tests.serving import PROGRAM, ROOT

ONE = """
secret = "s3cret"
[[nas]]
name = "bng-1"
make = "ipoe"
coa_port = 0
subscribers = 3
ramp = 0
"""


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    """What is said of these words; the exit status must be 2."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["turnpike", "simulate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--server", "127.0.0.1:radius"), "write HOST, HOST:1812 or HOST:1812:1813"),
        (("--server", "h:1:2:3"), "write HOST, HOST:1812 or HOST:1812:1813"),
        (("--server", "h:70000"), "write HOST, HOST:1812 or HOST:1812:1813"),
        (("--scenario", "mixt"), "did you mean"),
        (("--scenario", "./none.toml"), "No such file or directory: name a file"),
        (("--scenario", "./one.toml", "--secret-file", "none"), "name a file that can be read"),
        (("--scenario", "./one.toml", "--secret-file", "empty"), "empty is empty: write the"),
        (("--scenario", "./bare.toml"), "nas bng-1 has no shared secret: name a file with"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "one.toml").write_text(ONE)
    (tmp_path / "bare.toml").write_text(ONE.replace('secret = "s3cret"', ""))
    (tmp_path / "empty").write_text("\n")
    assert words in refused(*arguments)


@pytest.mark.slow
def test_ctrl_c_ends_it_with_a_summary_and_twice_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(ONE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        words = f"simulate --scenario ./one.toml --server 127.0.0.1:{port} --seed 5 --json"
        process = subprocess.Popen(
            [PROGRAM, *words.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        deaf.settimeout(20)
        deaf.recv(4096)  # somebody dials
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "it waits for the answers"
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=5)
    assert (process.returncode, complaints) == (0, b"")
    summary = json.loads(said)
    assert (summary["seed"], summary["open_questions"]) == (5, 3)
    assert summary["sessions"] == []
