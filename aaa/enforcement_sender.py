"""Sends what is in the outbox: one process at a time to a NAS, many NASes beside each other.

An advisory lock of PostgreSQL says whose turn a NAS is; it goes with the connection that holds
it, so with the process.  Nothing is awaited from the network inside a transaction.  Killed
between the sending and the writing down, the row is still due, and is sent again: a CoA says the
same, and of a session that has ended the NAS says so.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import asyncpg
import structlog

from aaa import enforcement_ladder as ladder
from aaa.enforcement import OFF, Rung, State
from aaa.enforcement_api import by_api
from aaa.enforcement_breaker import Breaker
from aaa.enforcement_ladder import After
from aaa.enforcement_rows import Due, Result, Rows
from core.clock import Clock
from core.db import Database, NodeDatabase, raw
from core.secret import CannotOpen, Vault
from core.trouble import in_a_line, is_the_worlds
from nas_adapters import registry
from nas_adapters.base import Step, Unchangeable
from nas_adapters.coa import CoaClient, CoaClosed
from nas_adapters.coa_targets import target_of
from nas_adapters.coa_values import Acked, CoaTarget, Silent
from nas_adapters.registry import StoredNas
from nas_adapters.vendors import VENDORS

log = structlog.get_logger()

LANES: Final = 2  # begun of one NAS: what is on the wire, and as much that waits for its turn
# In one process at a time: a silent one is waited for, and must hold up nobody.
NASES_MAX: Final = 1_000
POLL_S: Final = 0.5  # for what comes due by time, or was left by another process
RETRY_S: Final = 2.0
DRAIN_S: Final = 3.0
FAULT_AGAIN_S: Final = 60.0
_LOCK_SPACE: Final = 0x656E66 << 40  # "enf", of pg_try_advisory_lock

_SOURCE: Final = """
SELECT source FROM accounting_record WHERE session_id = $1 ORDER BY received_at DESC LIMIT 1
"""


class Sender:
    """One a process; `client` must be open in the task that runs it."""

    def __init__(
        self,
        rows: Rows,
        node: NodeDatabase,
        database: Database,
        vault: Vault,
        clock: Clock,
        woken: asyncio.Event,
        *,
        per_s: float,
        in_flight: int,
    ) -> None:
        self.breaker = Breaker()
        self.names: dict[int, str] = {}  # of NASes that were asked
        self.sent = 0
        self.results: dict[str, int] = {}
        self._rows = rows
        self._node = node
        self._database = database
        self._vault = vault
        self._clock = clock
        self._woken = woken
        self._per_s = per_s
        self._in_flight = in_flight
        self._at_once = LANES * in_flight
        self._stops = False
        self._faulty_until: dict[int, float] = {}

    def silent(self) -> list[int]:
        """NASes that answer nothing."""
        return self.breaker.silent(self._clock.monotonic())

    async def run(self, client: CoaClient, stop: asyncio.Event) -> None:
        """Until `stop`, whether the database is there or not."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._woken.set())
        try:
            while not stop.is_set():
                try:
                    await self._serve(client, stop)
                except* Exception as errors:
                    if not all(map(is_the_worlds, _leaves(errors))):
                        raise
                    log.warning("enforcement_waits", error=in_a_line(_leaves(errors)[0]))
                    await asyncio.wait([stopping], timeout=RETRY_S)
        finally:
            stopping.cancel()

    async def _serve(self, client: CoaClient, stop: asyncio.Event) -> None:
        """With one connection, which holds the locks."""
        self._stops = False
        connection = await self._node.connect()
        connection.add_termination_listener(lambda *_: self._woken.set())
        serving: dict[int, asyncio.Task[None]] = {}
        try:
            while not stop.is_set():
                self._woken.clear()
                for nas_id in await self._rows.due_nases():
                    if nas_id in serving or len(serving) >= NASES_MAX:
                        continue
                    now = self._clock.monotonic()
                    if now < self._faulty_until.get(nas_id, now):
                        continue
                    if not self.breaker.at_once(nas_id, self._at_once, now):
                        continue
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _key(nas_id)):
                        serving[nas_id] = asyncio.create_task(self._shielded(client, nas_id))
                        serving[nas_id].add_done_callback(lambda _: self._woken.set())
                await _event(self._woken, POLL_S)
                await _collect(connection, serving)
                if connection.is_closed():
                    raise ConnectionError("the connection with the locks is lost")
            self._stops = True
            if serving:
                await asyncio.wait(serving.values(), timeout=DRAIN_S)
        finally:
            for task in serving.values():
                task.cancel()
            if serving:
                await asyncio.wait(serving.values())
            connection.terminate()

    async def _shielded(self, client: CoaClient, nas_id: int) -> None:
        """A NAS that we cannot cope with is no reason to leave the others alone."""
        try:
            await self._nas(client, nas_id)
        except Exception as error:
            # The world's are everybody's; a bug, or a row that cannot be read, is this NAS's.
            if is_the_worlds(error):
                raise
            log.exception("enforcement_nas_failed", nas=nas_id)
            self._faulty_until[nas_id] = self._clock.monotonic() + FAULT_AGAIN_S
            await self._rows.note(nas_id, ladder.FAULT)

    async def _nas(self, client: CoaClient, nas_id: int) -> None:
        """Send all that is due to one NAS, and write down what came of it as it comes."""
        going: dict[asyncio.Task[Result | None], int] = {}
        try:
            while True:
                most = self.breaker.at_once(nas_id, self._at_once, self._clock.monotonic())
                room = 0 if self._stops else most - len(going)
                if room > most // 2:
                    found = await self._rows.due(nas_id, going.values(), room)
                    if found:
                        nas = await self._stored(found[0].tenant_id, nas_id)
                        for due in found:
                            one = asyncio.create_task(self._guarded(client, nas, due))
                            going[one] = due.task.session_id
                if not going:
                    return
                done, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.005)  # those that come in together are written together
                done = {one for one in going if one.done()}
                sent = {going.pop(one): one.result() for one in done}
                await self._rows.forget([id_ for id_, result in sent.items() if result is None])
                await self._rows.store([result for result in sent.values() if result is not None])
        finally:
            for one in going:
                one.cancel()
            if going:
                await asyncio.wait(going)

    async def _stored(self, tenant_id: int, nas_id: int) -> StoredNas | None:
        async with self._database.transaction(tenant_id) as tx:
            nas = await registry.of_id(tx, nas_id)
        if nas is not None:
            self.names[nas_id] = nas.spec.name
        return nas

    async def _guarded(self, client: CoaClient, nas: StoredNas | None, due: Due) -> Result | None:
        try:
            return await self._one(client, nas, due)
        except Exception as error:
            # The world's are everybody's; a bug is about this session, and stops no other.
            if is_the_worlds(error):
                raise
            log.exception("enforcement_failed", session=due.task.session_id)
            return Result(due, _given_up(due, f"a fault of ours: {in_a_line(error)}"))

    async def _one(self, client: CoaClient, nas: StoredNas | None, due: Due) -> Result | None:
        """One task on its rung; None: its row is to go, as its session is over, or what it
        wants cannot be read and the pass wishes it anew."""
        if due.session is None or (due.task.service != OFF and due.task.profile is None):
            return None
        if nas is None or (vendor := VENDORS.get(nas.spec.vendor)) is None:
            return Result(due, _given_up(due, "its NAS is not known any more"))
        if due.is_reused:  # there are boxes that look at the id alone
            after = ladder.reused(due.task)
            return self._noted(due, nas, Result(due, after))
        if due.task.rung is Rung.API:
            after = await by_api(self._database, self._vault, nas, due)
            return self._noted(due, nas, Result(due, after))
        try:
            said = ladder.steps(due.task, vendor, due.session)
        except ValueError as error:  # of a value that plain SQL brought in
            said = Unchangeable(str(error))
        if isinstance(said, Unchangeable):
            return self._noted(due, nas, Result(due, ladder.moved(due.task, said.reason)))
        if not said:  # it has all that it can be told
            after = After(State.DONE, due.task.rung, wait_s=None, applies=True)
            return self._noted(due, nas, Result(due, after))
        address = await self._address(nas, due)
        if address is None:
            why = "its NAS is a network, and it does not say at which box it is"
            return self._noted(due, nas, Result(due, ladder.moved(due.task, why)))
        try:
            target = target_of(nas, address, self._vault, due.tenant_id)
        except CannotOpen:
            return self._noted(due, nas, Result(due, ladder.locked(due.task)))
        target = replace(target, per_s=self._per_s, in_flight=self._in_flight)
        return await self._asked(client, nas, due, target, said)

    async def _asked(
        self,
        client: CoaClient,
        nas: StoredNas,
        due: Due,
        target: CoaTarget,
        steps: Sequence[Step],
    ) -> Result:
        after, rtt_s = ladder.told(due.task), 0.0
        for number, step in enumerate(steps):
            try:
                result = await client.send(target, step)
            except CoaClosed:  # the process ends; the row is due
                raise asyncio.CancelledError from None
            self.sent += 1
            if isinstance(result, Silent):
                if self.breaker.was_silent(nas.id, self._clock.monotonic()):
                    log.warning("nas_silent_to_coa", nas=nas.spec.name, target=target.address)
                    await self._rows.note(nas.id, ladder.SILENT)
            else:
                self.breaker.answered(nas.id)
            rtt_s = max(rtt_s, getattr(result, "rtt_s", 0.0))
            if not isinstance(result, Acked):
                after = ladder.answered(due.task, result, half_done=number > 0)
                break
        where = f"{target.address}:{target.port}"
        return self._noted(due, nas, Result(due, after, where, _shown(steps), rtt_s or None))

    def _noted(self, due: Due, nas: StoredNas, result: Result) -> Result:
        after = result.after
        self.results[after.state] = self.results.get(after.state, 0) + 1
        facts = {
            "nas": nas.spec.name,
            "session": due.task.session_id,
            "user": due.session.user_name if due.session else "",
            "wanted": due.task.service,
            "reason": due.task.reason,
            "by": due.task.rung.value,
            "state": after.state.value,
        }
        if after.state is State.STOPPED:
            log.error("enforcement_stopped", **facts, cause=after.cause)
        elif after.state in (State.WAITING, State.STALE):
            log.warning("enforcement_open", **facts, cause=after.cause)
        else:
            ms = round(result.rtt_s * 1000, 1) if result.rtt_s else None
            log.info("enforcement", **facts, cause=after.cause, ms=ms)
        return result

    async def _address(self, nas: StoredNas, due: Due) -> IPv4Address | IPv6Address | None:
        """The box's own, of those that the NAS stands for."""
        network = nas.spec.address
        if network.num_addresses == 1:
            return network.network_address
        assert due.session is not None
        told = _address_in(due.session.nas_address)
        if told is not None and told in network:
            return told
        async with self._node.transaction() as tx:
            source = await (await raw(tx)).fetchval(_SOURCE, due.task.session_id)
        came_from = _address_in((source or "").rpartition(":")[0].strip("[]"))
        return came_from if came_from is not None and came_from in network else None


def _given_up(due: Due, why: str) -> After:
    return After(State.STOPPED, due.task.rung, wait_s=None, cause=why)


def _address_in(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _shown(steps: Sequence[Step]) -> str:
    """What was sent, for people; there is no secret in it."""
    return " | ".join(
        f"{step.verb} "
        + ", ".join(
            f"{attr.name}={attr.value.decode('utf-8', 'backslashreplace')}"
            if isinstance(attr.value, bytes)
            else f"{attr.name}={attr.value}"
            for attr in step.attributes
        )
        for step in steps
    ).replace("\0", "\\0")


def _key(nas_id: int) -> int:
    return _LOCK_SPACE | nas_id


async def _collect(connection: asyncpg.Connection, serving: dict[int, asyncio.Task[None]]) -> None:
    """Give back the NASes that are done with."""
    for nas_id, task in list(serving.items()):
        if task.done():
            del serving[nas_id]
            await connection.execute("SELECT pg_advisory_unlock($1)", _key(nas_id))
            task.result()


async def _event(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]
