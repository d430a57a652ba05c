"""Fault D1, the spool's part: kill -9 of the process that spools, again and again."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accounting.spool_reader import segments
from tests.accounting.spooling import number_of

KILLS = 12


@pytest.mark.slow
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    choose, acknowledged, stored = random.Random(1), 0, 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.appending", str(tmp_path), "--segment", "150"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        said: list[str] = []
        while not said or not said[-1].startswith("ok"):
            said.append(process.stdout.readline())
        time.sleep(choose.uniform(0, 0.2))
        process.kill()
        said += process.communicate()[0].splitlines()
        whole = [line.split()[1:] for line in said if line.startswith("ok")]
        told = {int(number) for line in whole[:-1] for number in line}  # the last may be cut
        found: list[int] = []
        for segment in segments(tmp_path):
            assert segment.is_finished
            found += [number_of(spooled.packet) for spooled in segment.batch(0, 1_000_000)]
            segment.close()
        fresh = found[stored:]
        assert len(fresh) == len(set(fresh))
        assert told <= set(fresh), "acknowledged and lost"
        acknowledged += len(told)
        stored = len(found)
    assert acknowledged > KILLS * 50
    assert not list(tmp_path.glob("*/*.damaged"))
