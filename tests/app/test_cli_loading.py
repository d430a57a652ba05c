"""Somebody waits at the prompt: a command does not load what others need."""

import subprocess
import sys

from tests.serving import ROOT

LOADED = """
import sys
from app.cli import application
application("subscriber")
print(*sorted(name for name in sys.modules if name.startswith(("app.", "web", "accounting"))))
"""


def test_a_suspension_loads_no_server_and_no_simulator() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert "app.cli_subscriber" in loaded
    others = ("app.serving", "app.daemon", "app.apply", "app.simulator", "web", "accounting")
    assert not loaded.intersection(others)
