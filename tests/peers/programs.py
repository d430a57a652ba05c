"""Programs that nobody here wrote: found or missed loudly, run with a limit of time, or kept
running for a while and ended by their own process id."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving import DidNot, eventually

PACKAGES = {
    "radclient": "freeradius-utils",
    "radtest": "freeradius-utils",
    "freeradius": "freeradius",
    "eapol_test": "eapoltest",
    "snmpd": "snmpd",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "hostapd": "hostapd",
    "wpa_supplicant": "wpasupplicant",
    "wpa_cli": "wpasupplicant",
    "charon-systemd": "charon-systemd",
    "swanctl": "strongswan-swanctl",
}


def needs(program: str) -> str:
    """The path of `program`.  Where it is missing the test fails in CI and is skipped elsewhere."""
    found = shutil.which(program) or shutil.which(f"/usr/sbin/{program}")
    if found is not None:
        return found
    missed = f"{program} is not installed: apt-get install {PACKAGES[program]}"
    if os.environ.get("CI"):
        pytest.fail(missed)
    pytest.skip(missed)


def run(*command: str, stdin: str = "", within_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    """What a program said and how it ended."""
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=within_s, check=False
    )


@contextmanager
def running(
    *command: str, log: Path, ready: str, within_s: float = 30.0, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that says `ready` in its `log` when it is; asked to end afterwards, and made to.

    It may be ended before.  What it says is added to what is in the log.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", **environment},
        )
    try:
        eventually(
            lambda: ready in said(log) or process.poll() is not None,
            within_s,
            lambda: said(log)[-3000:],
        )
        if process.poll() is not None:
            raise DidNot(said(log)[-3000:])
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def said(log: Path) -> str:
    return log.read_text(errors="replace")
