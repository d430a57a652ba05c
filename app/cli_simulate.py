"""`turnpike simulate`: NASes that do not exist dial in at a server that does."""

import asyncio
import random
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from app import cli_output as output
from app import scenario_file
from app.cli_context import CLOCK, AllTenants, AsJson, Config, DataDir
from app.simulator import summary
from app.simulator.playing import play
from app.simulator.scenario import Scenario
from app.simulator.simulation import Server, Simulation
from core.errors import Invalid

_CLEAR: Final = "\r\x1b[K"


def command(
    server: Annotated[
        str, typer.Option(help="Whom to ask: HOST, HOST:AUTH or HOST:AUTH:ACCT.")
    ] = "127.0.0.1",
    secret_file: Annotated[
        Path | None,
        typer.Option(help="Holds the shared secret.", show_default="what the scenario says"),
    ] = None,
    scenario: Annotated[str, typer.Option(help="mixed, bad-day, or a TOML file.")] = "mixed",
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed, the same doings.", show_default="a random one", min=0),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="How long.", show_default="what the scenario says", min=0.01),
    ] = None,
    json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: AllTenants = None,
) -> None:
    """Play a scenario against a RADIUS server, and tell what came of it.

    Simulated NASes log subscribers in, report what they transfer, and answer CoA and
    Disconnect as their makers' boxes do.  Each octet is counted: with --json, the counters of
    every session are there to compare a server's books with.  Ctrl-C lets everybody hang
    up, twice ends it at once.
    """
    del config, data_dir, tenant
    chosen = scenario_file.read(scenario)
    secret = _secret(secret_file, chosen)
    whom = _server(server)
    seed = random.SystemRandom().randrange(10**9) if seed is None else seed
    sim = asyncio.run(_play(chosen, whom, secret, seed, minutes or chosen.minutes))
    found = summary.document(
        sim.tally,
        seed=seed,
        unbelieved=sum(nas.unbelieved for nas in sim.nases),
        pending=sum(nas.pending for nas in sim.nases),
    )
    if json:
        output.as_json(found)
    else:
        output.facts(summary.lines(found, len(found["sessions"])))
        for words, count in sim.tally.rejections.most_common(5):
            output.say(f"rejected {count} x {output.printable(words) or '(no Reply-Message)'}")


async def _play(
    scenario: Scenario, server: Server, secret: str, seed: int, minutes: float
) -> Simulation:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def interrupted() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    show = sys.stderr.isatty()

    def progress(sim: Simulation, played_s: float) -> None:
        if show:
            line = summary.progress(sim.tally, len(sim.online()), played_s)
            sys.stderr.write(_CLEAR + line)
            sys.stderr.flush()

    try:
        return await play(
            scenario,
            server,
            secret,
            seed=seed,
            minutes=minutes,
            stop=stop,
            hurry=hurry,
            progress=progress,
            clock=CLOCK,
        )
    finally:
        if show:
            sys.stderr.write(_CLEAR)


def _secret(path: Path | None, scenario: Scenario) -> str:
    if path is None:
        missing = [p.box.name for p in scenario.places if p.box.name not in scenario.secrets]
        if not scenario.secret and missing:
            raise Invalid(
                f"nas {missing[0]} has no shared secret: name a file with --secret-file,"
                " or write `secret` into the scenario"
            )
        return scenario.secret
    try:
        secret = path.read_text().strip()
    except OSError as failed:
        raise Invalid(f"{path}: {failed.strerror}: name a file that can be read") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8: a shared secret is text") from None
    if not secret:
        raise Invalid(f"{path} is empty: write the shared secret into it")
    return secret


def _server(written: str) -> Server:
    host, *ports = written.split(":")
    numbers = [int(port) for port in ports if port.isascii() and port.isdigit()]
    if (
        not host
        or len(numbers) != len(ports)
        or len(ports) > 2
        or not all(0 < number < 65_536 for number in numbers)
    ):
        raise Invalid(
            f"--server {output.printable(written)}: write HOST, HOST:1812 or HOST:1812:1813"
        )
    if len(numbers) == 1:
        numbers.append(numbers[0] + 1)  # as the ports were given out
    return Server(host, *numbers)
