"""Enforcement in the jobs process: its parts put together, and run until it stops.

`aaa.enforcement` says how: jobs and the pass leave what is to be sent in a table, and one
task sends it.  All of it needs this node's directory, as a login does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from aaa.directory import Directory, open_environment
from aaa.enforcement_judge import Judge
from aaa.enforcement_pass import Pass
from aaa.enforcement_rows import Rows
from aaa.enforcement_sender import Sender
from aaa.enforcement_status import CoaStatus, EnforcementStatus
from aaa.enforcement_view import View
from app.paths import Paths
from app.wiring import renderer
from core.clock import Clock
from core.config import Settings
from core.db import Database, NodeDatabase
from core.keys import open_vault
from core.trouble import in_a_line, is_the_worlds
from dictionaries import loader
from dictionaries.definitions import Dictionary
from nas_adapters.coa import CoaClient

log = structlog.get_logger()

COUNT_EVERY_S: Final = 5.0
FIRST_PASS_S: Final = 5.0  # after the start: what was lost while nobody was there


class Enforcement:
    """The parts that jobs and schedules call; `opened` makes one."""

    def __init__(self, judge: Judge, whole: Pass, sender: Sender, rows: Rows) -> None:
        self.judge = judge
        self.whole = whole
        self.sender = sender
        self.rows = rows
        self.counts: dict[str, int] = {}
        self.client: CoaClient | None = None

    def status(self) -> EnforcementStatus:
        client, sender = self.client, self.sender
        return EnforcementStatus(
            pid=os.getpid(),
            rows=self.counts,
            results=dict(sender.results),
            silent_nases=sorted(
                sender.names.get(number, str(number)) for number in sender.silent()
            ),
            pass_sessions=self.whole.sessions,
            pass_differing=self.whole.differing,
            pass_s=self.whole.took_s,
            strangers=client.strangers if client else 0,
            socket_errors=client.socket_errors if client else 0,
            coa=[
                CoaStatus(
                    tenant_id=tenant_id,
                    nas=nas,
                    requests=one.requests,
                    resends=one.resends,
                    acks=one.acks,
                    naks={str(cause): count for cause, count in one.naks.items()},
                    silent=one.silent,
                    unsendable=one.unsendable,
                    rtt_sum_s=one.rtt_sum_s,
                    ignored=dict(one.ignored),
                    waiting=one.waiting,
                    in_flight=one.in_flight,
                )
                for (tenant_id, nas), one in (client.counters.items() if client else ())
            ],
        )


@asynccontextmanager
async def opened(
    settings: Settings, node: NodeDatabase, database: Database, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[Enforcement]:
    """Enforcement, running until `stop`."""
    dictionary = loader.load()
    environment = open_environment(
        Paths(settings.data_dir).directory,
        map_size_octets=settings.directory.map_size_bytes,
        readonly=True,
    )
    rows = Rows(node)
    view = View(Directory(environment), renderer(settings, dictionary))
    judge = Judge(rows, view, node, dictionary, clock)
    sender = Sender(
        rows,
        node,
        database,
        open_vault(settings.key_path, make=False),
        clock,
        judge.woken,
        per_s=settings.enforcement.coa_per_s,
        in_flight=settings.enforcement.coa_in_flight,
    )
    one = Enforcement(judge, Pass(rows, judge, view, clock), sender, rows)
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(one, dictionary, clock, stop))
            keeping = tasks.create_task(_upkeep(one, stop))
            judging = tasks.create_task(judge.run())
            yield one
            stop.set()
            await asyncio.wait([sending, keeping])
            judging.cancel()
    finally:
        environment.close()


async def _send(
    one: Enforcement, dictionary: Dictionary, clock: Clock, stop: asyncio.Event
) -> None:
    async with CoaClient(dictionary, clock) as client:  # entered and left in one task
        one.client = client
        await one.sender.run(client, stop)


async def _upkeep(one: Enforcement, stop: asyncio.Event) -> None:
    """The pass of a start, for what was lost while nobody was there, and what status tells."""
    is_first, wait_s = True, FIRST_PASS_S
    while not stop.is_set():
        try:
            async with asyncio.timeout(wait_s):
                await stop.wait()
        except TimeoutError:
            wait_s = COUNT_EVERY_S
        else:
            return
        try:
            if is_first:
                await one.whole.run()
                is_first = False
            one.counts = await one.rows.counts()
        except Exception as error:
            if not is_the_worlds(error):
                raise
            log.debug("enforcement_upkeep_waits", error=in_a_line(error))
