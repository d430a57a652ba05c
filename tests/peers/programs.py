"""Programs that nobody here wrote, found or missed loudly, and run with a limit of time."""

import os
import shutil
import subprocess

import pytest

PACKAGES = {
    "radclient": "freeradius-utils",
    "radtest": "freeradius-utils",
    "freeradius": "freeradius",
    "eapol_test": "eapoltest",
    "snmpd": "snmpd",
}


def needs(program: str) -> str:
    """The path of `program`.  Where it is missing the test fails in CI and is skipped elsewhere."""
    found = shutil.which(program) or shutil.which(f"/usr/sbin/{program}")
    if found is not None:
        return found
    said = f"{program} is not installed: apt-get install {PACKAGES[program]}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def run(*command: str, stdin: str = "", within_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    """What a program said and how it ended."""
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=within_s, check=False
    )
