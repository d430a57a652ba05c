"""CPU and memory are counted for all of a server: threads, children, and the reaped."""

import sys
import time

import pytest

from bench import processes
from bench.processes import Failed, running

SPIN = """
import time
until = time.process_time() + 0.3
while time.process_time() < until:
    pass
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {SPIN!r}])
child = subprocess.Popen([sys.executable, "-c", {SPIN!r} + "time.sleep(5)"])
child.wait()
"""


def test_cpu_of_children_counts_while_they_live_and_after() -> None:
    with running([sys.executable, "-c", PARENT]) as program:
        deadline = time.monotonic() + 4
        while (used := processes.cpu([program.pid])).server_s < 0.6:
            assert time.monotonic() < deadline, f"one of the children does not count: {used}"
            time.sleep(0.02)
        child = max(processes.tree([program.pid]))
        assert child != program.pid
        assert processes.cpu([child]).server_s < 0.6


def test_private_memory_is_what_a_process_wrote_itself() -> None:
    script = "hoard = bytearray(b'x') * 50_000_000; print('there', flush=True)\n"
    script += "import time; time.sleep(60)"
    with running([sys.executable, "-c", script]) as program:
        program.wait_for(lambda said: "there" in said, 20)
        (found,) = processes.memory([program.pid])
    assert 50e6 < found.private_octets < 90e6


def test_a_program_that_ends_early_says_its_last_words() -> None:
    with (
        pytest.raises(Failed, match="no such setting"),
        running([sys.executable, "-c", "raise SystemExit('no such setting')"]) as program,
    ):
        program.wait_for(lambda said: "ready" in said, 20)
