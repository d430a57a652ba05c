"""The CoA client over real sockets, against a NAS that behaves as each test wants."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvloop

from core.clock import Clock
from core.radius.codec import Decoded
from core.radius.exchange import RetryPolicy
from core.secret import Secret
from dictionaries.loader import load
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa import (
    Acked,
    CoaClient,
    CoaClosed,
    CoaCounters,
    CoaTarget,
    Ignored,
    Naked,
    Silent,
    Unsendable,
)
from nas_adapters.coa_lane import LATE_S
from tests.asking import tlv
from tests.nas_adapters.asked import (
    COA,
    DISCONNECT,
    EVENT_TIMESTAMP,
    SECRET,
    Asked,
    Behaviour,
    Nas,
    ack,
    acks,
    is_silent,
    nak,
    nas,
    reply,
)

DICTIONARY = load()
SOON = RetryPolicy(irt_s=0.05)  # sends after 0, 50 and 150 ms, ends at 350
PATIENT = RetryPolicy()  # nothing is sent twice while a test lasts
END = Step(Verb.DISCONNECT, (Attr("User-Name", "alice"), Attr("Acct-Session-Id", "0f")))
SLOWER = Step(Verb.COA, (*END.attributes, Attr("Mikrotik-Rate-Limit", "1M/2M")))
NAME = "bras-2"


def end(session: int) -> Step:
    return Step(Verb.DISCONNECT, (Attr("Acct-Session-Id", f"{session:08x}"),))


def no_jitter() -> float:
    return 0.0


def client(policy: RetryPolicy = PATIENT, clock: Clock | None = None) -> CoaClient:
    return CoaClient(DICTIONARY, clock or Clock(), policy=policy, jitter=no_jitter)


def target(box: Nas) -> CoaTarget:
    host, port = box.address
    return CoaTarget(host, port, Secret(SECRET), per_s=100_000, in_flight=64, nas=NAME)


@asynccontextmanager
async def told(
    behaves: Behaviour, policy: RetryPolicy = PATIENT
) -> AsyncIterator[tuple[CoaClient, Nas, CoaTarget]]:
    async with nas(behaves) as box, client(policy) as coa:
        yield coa, box, target(box)


def counted(coa: CoaClient) -> CoaCounters:
    return coa.counters[0, NAME]


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110, what is waited for has no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("step", "code"), [(END, DISCONNECT), (SLOWER, COA)])
async def test_a_nas_is_told_and_agrees(host: str, step: Step, code: int) -> None:
    async with nas(acks, host) as box, client() as coa:
        before_s = int(time.time())
        result = await coa.send(target(box), step)
        assert isinstance(result, Acked)
        assert 0 < result.rtt_s < 2
        [asked] = box.asked
        assert asked.code == code
        assert [value for number, value in asked.attributes if number in (1, 44)] == [
            b"alice",
            b"0f",
        ]
        stamp = int.from_bytes(asked.first(EVENT_TIMESTAMP) or b"", "big")
        assert before_s <= stamp <= time.time()
        assert asked.first(80), "signed"
        assert (counted(coa).acks, counted(coa).sends, counted(coa).ignored) == (1, 1, {})


async def test_a_vendor_that_cannot_bear_them_gets_no_timestamp_and_no_signature() -> None:
    async with told(acks) as (coa, box, to):
        bare = replace(to, sends_event_timestamp=False, sends_message_authenticator=False)
        assert isinstance(await coa.send(bare, END), Acked)
        assert [number for number, _ in box.asked[0].attributes] == [1, 44]


async def test_what_an_acknowledgement_says_is_told() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        box.send(ack(asked.octets, tlv(101, 201) + tlv(27, 60)), asked)

    async with told(behaves) as (coa, _, to):
        result = await coa.send(to, END)
        assert isinstance(result, Acked)
        assert result.attributes == (
            Decoded("Error-Cause", 201),
            Decoded("Session-Timeout", 60),
        )


@pytest.mark.parametrize("cause", [503, 401, 999, None])
async def test_a_refusal_tells_its_cause(cause: int | None) -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        box.send(nak(asked.octets, cause, tlv(18, b"no\x00such")), asked)

    async with told(behaves) as (coa, _, to):
        result = await coa.send(to, SLOWER)
        assert isinstance(result, Naked)
        assert (result.error_cause, result.message) == (cause, "no\\x00such")
        assert counted(coa).naks == {cause or 0: 1}


async def test_silence_is_three_times_the_same_octets_and_then_the_end() -> None:
    async with told(is_silent, SOON) as (coa, box, to):
        assert await coa.send(to, END) == Silent(3)
        assert len(box.asked) == 3
        assert len({asked.octets for asked in box.asked}) == 1, "Identifier, timestamp and all"
        assert len({asked.source for asked in box.asked}) == 1
        counters = counted(coa)
        assert (counters.sends, counters.resends, counters.silent) == (3, 2, 1)
        assert (counters.in_flight, counters.waiting) == (0, 0)


async def test_an_answer_to_a_copy_is_an_answer() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        if len(box.asked) > 1:
            acks(box, asked)

    async with told(behaves, SOON) as (coa, box, to):
        result = await coa.send(to, END)
        assert isinstance(result, Acked)
        assert result.rtt_s >= 0.05, "since the first"
        assert len(box.asked) >= 2


def forged(kind: str, request: bytes) -> bytes:
    good = ack(request)
    return {
        "another secret": reply(request, DISCONNECT + 1, secret=b"guessed"),
        "random": good[:4] + bytes(16),
        "another request's": ack(request[:4] + bytes(16) + request[20:]),
        "signed wrongly": reply(request, DISCONNECT + 1, signed_with=b"guessed"),
        "of the other verb": reply(request, COA + 1),
        "a request": request,
        "another identifier": reply(request, DISCONNECT + 1, identifier=request[1] ^ 0x80),
        "cut short": good[:19],
        "a length too long": good[:2] + b"\x00\x20" + good[4:],
        "an attribute that overruns": reply(request, DISCONNECT + 1, b"\x12\x09no"),
    }[kind]


FORGED = {
    "another secret": Ignored.AUTHENTICATOR,
    "random": Ignored.AUTHENTICATOR,
    "another request's": Ignored.AUTHENTICATOR,
    "signed wrongly": Ignored.SIGNATURE,
    "of the other verb": Ignored.CODE,
    "a request": Ignored.CODE,
    "another identifier": Ignored.IDENTIFIER,
    "cut short": Ignored.MALFORMED,
    "a length too long": Ignored.MALFORMED,
    "an attribute that overruns": Ignored.MALFORMED,
}


@pytest.mark.parametrize(("kind", "counted_as"), FORGED.items(), ids=list(FORGED))
async def test_what_proves_nothing_is_counted_and_the_true_answer_still_counts(
    kind: str, counted_as: Ignored
) -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        box.send(forged(kind, asked.octets), asked)
        box.later(0.01, nak(asked.octets, 503), asked)

    async with told(behaves) as (coa, _, to):
        result = await coa.send(to, END)
        assert isinstance(result, Naked)
        assert result.error_cause == 503
        assert counted(coa).ignored == {counted_as.value: 1}


async def test_another_secret_at_the_nas_is_silence_that_says_why() -> None:
    """Not the NAS that drops ours, which is mere silence, but one that is not strict."""

    def behaves(box: Nas, asked: Asked) -> None:
        box.send(forged("another secret", asked.octets), asked)

    async with told(behaves, SOON) as (coa, _, to):
        assert await coa.send(to, END) == Silent(3, Ignored.AUTHENTICATOR)


async def test_a_signed_answer_is_believed() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        box.send(reply(asked.octets, DISCONNECT + 1, signed_with=SECRET), asked)

    async with told(behaves) as (coa, _, to):
        assert isinstance(await coa.send(to, END), Acked)


async def test_from_another_port_of_the_nas_even_an_authentic_answer_is_none() -> None:
    async with nas(is_silent) as elsewhere:

        def behaves(box: Nas, asked: Asked) -> None:
            elsewhere.send(ack(asked.octets), asked)

        async with told(behaves, SOON) as (coa, _, to):
            assert await coa.send(to, END) == Silent(3)
            assert counted(coa).ignored == {"port": 3}
            assert coa.strangers == 0


async def test_from_another_address_even_an_authentic_answer_is_none() -> None:
    async with nas(is_silent, "127.0.0.9") as elsewhere:

        def behaves(box: Nas, asked: Asked) -> None:
            elsewhere.send(ack(asked.octets), asked)

        async with told(behaves, SOON) as (coa, _, to):
            assert await coa.send(to, END) == Silent(3)
            assert (coa.strangers, counted(coa).ignored) == (3, {})


async def test_an_answer_that_comes_twice_counts_once() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        acks(box, asked)
        acks(box, asked)

    async with told(behaves) as (coa, _, to):
        assert isinstance(await coa.send(to, END), Acked)
        await until(lambda: counted(coa).ignored == {"duplicate": 1})
        assert counted(coa).acks == 1


async def test_a_late_answer_is_known_as_such_and_answers_nobody_else() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        if asked.first(44) == b"0f" and len(box.asked) == 3:
            box.later(0.3, ack(asked.octets), asked)  # given up after 0.2

    async with told(behaves, SOON) as (coa, box, to):
        assert await coa.send(to, END) == Silent(3)
        second = asyncio.create_task(coa.send(to, replace(END, attributes=(Attr("Class", b"x"),))))
        await until(lambda: counted(coa).ignored == {"late": 1})
        assert await second == Silent(3)
        assert box.asked[0].identifier != box.asked[-1].identifier


async def test_who_cancels_frees_the_turn_but_not_the_identifier() -> None:
    """RFC 5080 §2.2.2: a NAS may answer it yet, and would answer the copy of another."""

    def behaves(box: Nas, asked: Asked) -> None:
        if len(box.asked) > 1:
            acks(box, asked)
            acks(box, box.asked[0])

    async with told(behaves) as (coa, box, to):
        narrow = replace(to, in_flight=1)
        first = asyncio.create_task(coa.send(narrow, END))
        await until(lambda: len(box.asked) == 1)
        waiting = asyncio.create_task(coa.send(narrow, SLOWER))
        await asyncio.sleep(0)
        assert (counted(coa).in_flight, counted(coa).waiting) == (1, 1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert isinstance(await waiting, Acked)
        for _ in range(300):  # once round all others
            assert isinstance(await coa.send(narrow, SLOWER), Acked)
        cancelled = box.asked[0]
        used = {(asked.source, asked.identifier) for asked in box.asked[1:]}
        assert (cancelled.source, cancelled.identifier) not in used
        assert counted(coa).ignored["late"] >= 1
        assert counted(coa).cancelled == 1


async def test_who_cancels_while_waiting_has_sent_nothing() -> None:
    async with told(is_silent, SOON) as (coa, box, to):
        narrow = replace(to, in_flight=1)
        first = asyncio.create_task(coa.send(narrow, END))
        await until(lambda: len(box.asked) == 1)
        waiting = asyncio.create_task(coa.send(narrow, SLOWER))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await first == Silent(3)
        assert {asked.code for asked in box.asked} == {DISCONNECT}
        assert (counted(coa).in_flight, counted(coa).waiting) == (0, 0)


async def test_no_more_are_in_flight_than_the_nas_bears() -> None:
    answered = 0
    most = 0

    def behaves(box: Nas, asked: Asked) -> None:
        nonlocal most
        most = max(most, len(box.asked) - answered)

        def answer() -> None:
            nonlocal answered
            answered += 1
            acks(box, asked)

        asyncio.get_running_loop().call_later(0.005, answer)

    async with told(behaves) as (coa, _, to):
        narrow = replace(to, in_flight=4)
        results = await asyncio.gather(*(coa.send(narrow, END) for _ in range(60)))
        assert all(isinstance(one, Acked) for one in results)
        assert most == 4


async def test_no_more_begin_in_a_second_than_the_nas_bears() -> None:
    async with told(acks) as (coa, box, to):
        slow = replace(to, per_s=100)
        began = time.monotonic()
        await asyncio.gather(*(coa.send(slow, END) for _ in range(31)))
        assert (
            time.monotonic() - began >= 0.27
        )  # 30 intervals, less the little that may be caught up
        assert len(box.asked) == 31


async def test_a_thousand_disconnects_are_all_done() -> None:
    """To a NAS that answers in 5 ms.  The rate is printed; `bench/` judges it."""

    def behaves(box: Nas, asked: Asked) -> None:
        box.later(0.005, ack(asked.octets), asked)

    async with told(behaves) as (coa, box, to):
        began = time.monotonic()
        results = await asyncio.gather(*(coa.send(to, end(n)) for n in range(1000)))
        took_s = time.monotonic() - began
        assert all(isinstance(one, Acked) for one in results)
        assert {asked.first(44) for asked in box.asked} == {b"%08x" % n for n in range(1000)}
        assert len({asked.source for asked in box.asked}) == 1, "answered, it is free again"
        counters = counted(coa)
        assert counters.acks == counters.requests == 1000
        assert counters.ignored.get("authenticator") is None
        assert (counters.in_flight, counters.waiting) == (0, 0)
    print(f"1 000 disconnects in {took_s:.2f} s, {1000 / took_s:,.0f}/s")  # noqa: T201


async def test_more_identifiers_than_one_socket_has_take_more_sockets() -> None:
    async with told(is_silent, SOON) as (coa, box, to):
        wide = replace(to, in_flight=600, per_s=6_000)  # all begin before the first ends
        results = await asyncio.gather(*(coa.send(wide, end(n)) for n in range(600)))
        assert results == [Silent(3)] * 600
        sessions: dict[tuple[object, int], set[bytes | None]] = {}
        for asked in box.asked:
            sessions.setdefault((asked.source, asked.identifier), set()).add(asked.first(44))
        assert all(len(each) == 1 for each in sessions.values())
        assert len({source for source, _ in sessions}) == 3


async def test_one_nas_that_is_silent_does_not_hold_up_another() -> None:
    async with nas(is_silent) as dead, told(acks) as (coa, _, to):
        waiting = [asyncio.create_task(coa.send(target(dead), END)) for _ in range(100)]
        await until(lambda: len(dead.asked) >= 64)
        for _ in range(20):
            assert isinstance(await coa.send(to, END), Acked)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_secret_and_a_port_may_change_at_any_time() -> None:
    async with nas(acks) as moved, told(is_silent, SOON) as (coa, old, to):
        under_way = asyncio.create_task(coa.send(to, END))
        await until(lambda: len(old.asked) == 1)
        moved.secret = b"changed"
        changed = replace(to, port=moved.address[1], secret=Secret(b"changed"))
        assert await coa.send(changed, END) == Silent(3, Ignored.AUTHENTICATOR)
        assert len(moved.asked) == 3, "it believes the new secret; here it answers with the old"
        assert await under_way == Silent(3)
        assert old.refused == 0, "what was under way kept the secret it was sent with"
        old.secret = b"changed"
        assert await coa.send(replace(to, secret=Secret(b"changed")), END) == Silent(3)
        assert (len(old.asked), old.refused) == (6, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"address": "bras-2"}, "no IP address"),
        ({"address": "fe80::1%eth0"}, "without a zone"),
        ({"port": 0}, "no port 0"),
        ({"source_address": "2001:db8::1"}, "IPv4 only"),
        ({"source_address": "192.0.2.1"}, "cannot send from 192.0.2.1"),
    ],
)
async def test_a_target_that_cannot_be_reached_is_told_at_once(
    change: dict[str, object], reason: str
) -> None:
    async with told(acks) as (coa, _, to):
        result = await coa.send(replace(to, **change), END)  # type: ignore[arg-type]
        assert isinstance(result, Unsendable)
        assert reason in result.reason
        assert counted(coa).unsendable == 1


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ((Attr("Session-Timeot", 5),), "did you mean Session-Timeout"),
        ((Attr("Framed-IP-Address", "::1"),), "not an IPv4 address"),
        (tuple(Attr("Class", bytes(253)) for _ in range(16)), "more than a packet holds"),
        ((Attr("Tunnel-Password", "hush", 1),), "hidden on the wire"),
    ],
)
async def test_what_no_packet_can_say_is_told_at_once(
    attributes: tuple[Attr, ...], reason: str
) -> None:
    async with told(acks) as (coa, box, to):
        result = await coa.send(to, Step(Verb.COA, attributes))
        assert isinstance(result, Unsendable)
        assert reason in result.reason
        assert "hush" not in result.reason
        assert box.asked == []


async def test_it_leaves_from_the_address_that_the_nas_wants() -> None:
    async with told(acks) as (coa, box, to):
        assert isinstance(await coa.send(replace(to, source_address="127.0.0.5"), END), Acked)
        assert isinstance(await coa.send(to, END), Acked)
        assert [asked.source[0] for asked in box.asked] == ["127.0.0.5", "127.0.0.1"]


async def test_a_closed_port_is_silence_and_troubles_no_other_nas() -> None:
    async with nas(acks) as gone:
        closed = target(gone)
    async with told(acks, SOON) as (coa, _, to):
        assert await coa.send(replace(closed, nas="gone"), END) == Silent(3)
        assert isinstance(await coa.send(to, END), Acked)


async def test_what_the_kernel_will_not_send_is_silence_and_counted() -> None:
    async with told(acks, SOON) as (coa, _, to):
        assert await coa.send(replace(to, address="255.255.255.255"), END) == Silent(3)
        assert coa.socket_errors == 3
        assert isinstance(await coa.send(to, END), Acked)


@pytest.mark.slow
def test_the_loop_of_production_does_the_same() -> None:
    async def stories() -> None:
        await test_a_nas_is_told_and_agrees("::1", END, DISCONNECT)
        await test_what_the_kernel_will_not_send_is_silence_and_counted()
        await test_a_closed_port_is_silence_and_troubles_no_other_nas()
        await test_from_another_port_of_the_nas_even_an_authentic_answer_is_none()
        await test_who_waits_when_the_client_closes_is_told_so()

    uvloop.run(stories())


async def test_who_waits_when_the_client_closes_is_told_so() -> None:
    async with nas(is_silent) as box:
        async with client() as coa:
            narrow = replace(target(box), in_flight=1)
            under_way = asyncio.create_task(coa.send(narrow, END))
            waiting = asyncio.create_task(coa.send(narrow, END))
            await until(lambda: len(box.asked) == 1)
        for task in (under_way, waiting):
            with pytest.raises(CoaClosed):
                await task
        with pytest.raises(CoaClosed):
            await coa.send(narrow, END)


async def test_who_finishes_waits_for_what_is_under_way_and_takes_no_more() -> None:
    def behaves(box: Nas, asked: Asked) -> None:
        box.later(0.02, ack(asked.octets), asked)

    async with told(behaves) as (coa, _, to):
        narrow = replace(to, in_flight=1)
        under_way = [asyncio.create_task(coa.send(narrow, end(n))) for n in range(3)]
        await asyncio.sleep(0)
        assert await coa.finish(5.0)
        assert all(isinstance(one.result(), Acked) for one in under_way)
        with pytest.raises(CoaClosed):
            await coa.send(to, END)


async def test_who_finishes_does_not_wait_for_ever() -> None:
    async with told(is_silent) as (coa, _, to):
        under_way = asyncio.create_task(coa.send(to, END))
        await asyncio.sleep(0)
        assert not await coa.finish(0.05)
    with pytest.raises(CoaClosed):
        await under_way


class LaterClock(Clock):
    """May be set on; what has been slept for stays as it is."""

    on_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.on_s


async def test_a_nas_that_was_told_nothing_for_long_takes_no_room() -> None:
    clock = LaterClock()
    async with (
        nas(acks, "127.0.0.8") as once,
        nas(is_silent, "127.0.0.9") as slow,
        nas(acks) as box,
        client(clock=clock) as coa,
    ):
        assert isinstance(await coa.send(target(once), END), Acked)
        waiting = asyncio.create_task(coa.send(target(slow), END))
        await until(lambda: len(slow.asked) == 1)
        clock.on_s = LATE_S + 1
        assert isinstance(await coa.send(target(box), END), Acked)
        acks(once, once.asked[0])
        await until(lambda: bool(coa.strangers or counted(coa).ignored))
        assert (coa.strangers, counted(coa).ignored) == (1, {})
        acks(slow, slow.asked[0])
        assert isinstance(await waiting, Acked), "it waits yet, so it is kept"


async def test_what_goes_wrong_beside_the_client_stays_what_it_is() -> None:
    async def beside() -> None:
        async with nas(acks) as box, client() as coa:
            await coa.send(target(box), END)
            raise LookupError

    with pytest.raises(LookupError):
        await beside()


async def test_no_secret_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with told(is_silent) as (coa, _, to):
        result = await coa.send(replace(to, source_address="192.0.2.1"), END)
        texts = [repr(to), repr(result), repr(coa.counters), repr(vars(coa)), caplog.text]
        assert not [text for text in texts if "between us" in text]
