"""The load generator as a function: builds bench/radload.c, runs it, reads what it says."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict, Unpack

from bench.processes import Failed, run

HERE = Path(__file__).parent
SOURCE = HERE / "radload.c"
PROGRAM = HERE / "radload"
FLOOD_SOURCE = "127.128.0.1"  # an address nobody has told a server about


@dataclass(frozen=True, slots=True)
class Outcome:
    """What radload printed; times in microseconds."""

    sent: int
    answered: int
    lost: int
    retransmitted: int
    no_slot: int
    late: int
    malformed: int
    wrong_authenticator: int
    wrong_message_authenticator: int
    without_message_authenticator: int
    wrong_code: int
    codes: dict[str, int]
    seconds: float
    answered_per_s: float
    sent_per_s: float
    reply_octets_mean: float
    generator_cpu_s: float
    p50_us: float = 0.0
    p90_us: float = 0.0
    p99_us: float = 0.0
    p999_us: float = 0.0
    max_us: float = 0.0

    @classmethod
    def from_json(cls, text: str) -> Self:
        said = json.loads(text)
        return cls(**{name: said[name] for name in cls.__slots__ if name in said})

    @property
    def forged(self) -> int:
        """Replies that no server with the secret can have sent."""
        return self.malformed + self.wrong_authenticator + self.wrong_message_authenticator

    @property
    def answered_share(self) -> float:
        asked = self.sent + self.no_slot
        return self.answered / asked if asked else 0.0


def build() -> Path:
    """Compile radload if its source is newer.

    Raises:
        Failed: there is no C compiler, or it complains.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Failed("radload needs a C compiler: install gcc")
    newest = max(SOURCE.stat().st_mtime, (HERE / "md5.h").stat().st_mtime)
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < newest:
        flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
        run([compiler, *flags, "-o", str(PROGRAM), str(SOURCE)])
    return PROGRAM


class Options(TypedDict, total=False):
    """Exactly one of `window` and `rate`; at least one of `count` and `seconds`."""

    window: int
    rate: float
    count: int
    seconds: float
    sockets: int
    retries: int
    timeout_s: float
    flood: bool
    source: str
    sources: int
    want_message_authenticator: bool


def arguments(file: Path, port: int, **options: Unpack[Options]) -> list[str]:
    """The command line for requests from `file` to a port of 127.0.0.1."""
    command = [str(PROGRAM), "--file", str(file), "--target", f"127.0.0.1:{port}"]
    for name, value in options.items():
        option = "--" + name.removesuffix("_s").replace("_", "-")
        if value is True:
            command.append(option)
        elif value is not False:
            command += [option, str(value)]
    return command


def load(file: Path, port: int, **options: Unpack[Options]) -> Outcome:
    """Run radload to its end."""
    return Outcome.from_json(run(arguments(file, port, **options)))


@contextmanager
def flooding(
    file: Path, port: int, rate: float, seconds: float, source: str, sources: int
) -> Iterator[list[Outcome]]:
    """A flood from `source` and the addresses after it; its figures are in the list afterwards."""
    command = arguments(
        file, port, rate=rate, seconds=seconds, flood=True, source=source, sources=sources
    )
    outcomes: list[Outcome] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield outcomes
        finally:
            said, _ = process.communicate(timeout=seconds + 30)
    outcomes.append(Outcome.from_json(said))
