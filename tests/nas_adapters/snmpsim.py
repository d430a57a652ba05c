"""snmpsim on the recordings of tests/nas_adapters/walks; the community chooses which.

v2c only: where it finds the recording of an SNMPv3 request is its secret, and
tests/peers/test_snmpd.py has a real agent for that.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.secret import Secret
from nas_adapters.api_access import SnmpAccess

WALKS = Path(__file__).with_name("walks")
PROGRAM = Path(sys.executable).with_name("snmpsim-command-responder")


@dataclass(frozen=True, slots=True)
class Agents:
    port: int

    def v2c(self, recording: str) -> SnmpAccess:
        return SnmpAccess(
            nas="olt-1",
            host="127.0.0.1",
            port=self.port,
            version="2c",
            community=Secret(recording.encode()),
        )


@contextmanager
def agents(directory: Path) -> Iterator[Agents]:
    data = directory / "data"
    shutil.copytree(WALKS, data)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    as_root = ("--process-user=root", "--process-group=root") if os.geteuid() == 0 else ()
    log = directory / "log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [
                *(str(PROGRAM), *as_root, f"--data-dir={data}"),
                f"--cache-dir={directory / 'cache'}",
                f"--agent-udpv4-endpoint=127.0.0.1:{port}",
            ],
            stdout=told,
            stderr=told,
        )
    try:
        deadline = time.monotonic() + 30
        while "Listening at UDP/IPv4" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Agents(port)
    finally:
        process.terminate()
        process.wait(timeout=10)
