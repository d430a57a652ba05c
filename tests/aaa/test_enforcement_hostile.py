"""What may go wrong around enforcement ends no wrong session, and leaves no right one for ever."""

import asyncio
import time
from pathlib import Path

import pytest

import tests.aaa.enforcing
from aaa import enforcement_breaker, enforcement_ladder
from aaa.enforcement_judge import DIRECTORY_WITHIN_S, LOOK_S, DirectoryBehind
from aaa.records import SubscriberRecord
from core.radius.exchange import RetryPolicy
from core.secret import Vault
from nas_adapters.registry import StoredNas
from tests.aaa.enforcing import Chance, codes, enforcing
from tests.asking import COA_REQUEST, DISCONNECT_REQUEST
from tests.core.jobbing import until
from tests.nas_adapters.asked import Asked, Nas, ack, acks, is_silent, nak, nas


@pytest.mark.slow
async def test_a_box_that_was_away_for_long_is_told_when_it_is_back(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most have no API of ours: the last rung then is not silence, and yet silence was why."""
    monkeypatch.setattr(enforcement_ladder, "BACK_OFF_S", 0.0)
    monkeypatch.setattr(enforcement_breaker, "WAIT_S", 0.0)
    is_back = False

    def away(box: Nas, asked: Asked) -> None:
        if is_back:
            box.send(ack(asked.octets), asked)

    async with nas(away) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "waiting", 10)
        assert "its NAS has no API" in row["cause"]
        assert row["next_at"] is not None, "nobody would ever end the session of who is suspended"
        is_back = True
        await isp.sql.execute("UPDATE enforcement SET next_at = now()")
        await isp.whole.run()
        await isp.becomes(session, "told")


async def test_an_old_directory_does_not_end_the_session_of_who_just_logged_in_elsewhere(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another node let him in, for he has paid; this one's directory still has him suspended."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        await isp.hold(alice)
        await isp.is_current(alice)
        await isp.whole.newcomers()
        monkeypatch.setattr(isp.replica.replicator, "catch_up", _nothing)
        isp.replica.writer.set_position(b"old", 1, 1.0)
        await isp.lift(alice)
        session = await isp.session(alice, bras)
        await isp.whole.newcomers()
        assert await isp.row(session) is None
        assert box.asked == []


@pytest.mark.slow
async def test_a_moment_that_came_while_the_directory_was_old_is_not_forgotten(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.whole.by_time()
        await isp.sql.execute("UPDATE entitlement SET valid_until = now() + interval '0.2 s'")
        await isp.is_current(alice)
        monkeypatch.setattr(isp.replica.replicator, "catch_up", _nothing)
        isp.replica.writer.set_position(b"old", 1, 1.0)
        await asyncio.sleep(1.3)
        await isp.whole.by_time()
        assert await isp.row(session) is None, "the word of an old directory"
        await asyncio.sleep(2.2)
        isp.replica.writer.set_position(b"old", 1, time.time())
        await isp.whole.by_time()
        assert (await isp.becomes(session, "told"))["reason"] == "expired"


async def _nothing() -> None:
    return


@pytest.mark.slow
async def test_a_changed_plan_is_not_told_to_people_of_whom_the_directory_is_old(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans come in before people, so after an outage the one says nothing of the others."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras, plan = await isp.nas(box.address[1]), await isp.plan()
        alice = await isp.isp.subscriber(plan)
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.is_current(alice)
        monkeypatch.setattr(isp.replica.replicator, "catch_up", _nothing)
        isp.replica.writer.set_position(b"old", 1, 1.0)
        await isp.lift(alice)
        with pytest.raises(DirectoryBehind):
            await isp.judge.profile(isp.isp.tenant_id, plan)
        assert await isp.row(session) is None


async def test_a_row_that_nobody_can_read_holds_up_no_other(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """Another version may have written it; it is made anew."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice, bob = await isp.isp.subscribers(await isp.plan(), "alice", "bob")
        odd, session = await isp.session(alice, bras), await isp.session(bob, bras)
        await isp.sql.execute(
            "INSERT INTO enforcement (session_id, tenant_id, nas_id, wanted, service, profile,"
            " rung, next_at) VALUES ($1, $2, $3, 'b', 'plan', '{\"download_bps\": []}', 'coa',"
            " now())",
            odd,
            isp.isp.tenant_id,
            bras,
        )
        await isp.hold(bob)
        await isp.judge.subscriber(bob)
        await isp.becomes(session, "told")
        await isp.whole.run()
        assert await isp.row(odd) is None


async def test_a_nas_that_nobody_can_read_holds_up_no_other(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        nas(acks) as box,
        nas(acks, "127.0.0.2") as other,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        odd = await isp.nas(box.address[1])
        fine = await isp.nas(other.address[1], "bras-2", host="127.0.0.2")
        stored = isp.sender._stored

        async def unreadable(tenant_id: int, nas_id: int) -> StoredNas | None:
            if nas_id == odd:
                raise ValueError("an address of another world")
            return await stored(tenant_id, nas_id)

        monkeypatch.setattr(isp.sender, "_stored", unreadable)
        alice = await isp.isp.subscriber(await isp.plan())
        lost, session = await isp.session(alice, odd), await isp.session(alice, fine)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told")
        await asyncio.sleep(0.1)
        assert (await isp.row(lost) or {})["cause"] == "a fault of ours: see the log"


async def test_a_wish_that_may_have_been_carried_out_is_taken_back_aloud(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """The box did it and its answer was lost, or we died before it came: it is slow by now."""
    is_deaf = True

    def mute(box: Nas, asked: Asked) -> None:
        if not is_deaf:
            box.send(ack(asked.octets), asked)

    async with nas(mute) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)

        async def is_tried() -> bool:
            return bool((await isp.row(session) or {})["attempts"])

        await until(is_tried)
        is_deaf = False
        await isp.sql.execute("UPDATE entitlement SET profile_id = (SELECT min(id) FROM profile)")
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert "Mikrotik-Rate-Limit=20M/50M" in row["request"]
        assert row["applied"] == row["wanted"]
        sent = len(box.asked)
        await isp.judge.subscriber(alice)
        await isp.whole.run()
        assert len(box.asked) == sent, "once"


async def test_nobody_is_ended_for_what_he_has_anyway(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """A box that cannot change him has not changed him: there was nothing to take back."""
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 406), asked)) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "waiting")
        await isp.sql.execute("UPDATE entitlement SET profile_id = (SELECT min(id) FROM profile)")
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "waiting")
        await isp.whole.run()
        assert codes(box) in (
            [COA_REQUEST, DISCONNECT_REQUEST],
            [COA_REQUEST, DISCONNECT_REQUEST, COA_REQUEST],
        )


async def test_a_click_that_came_to_nothing_does_not_exempt_from_the_policy(
    fresh_database_url: str, tmp_path: Path
) -> None:
    def no_ends(box: Nas, asked: Asked) -> None:
        is_end = asked.code == DISCONNECT_REQUEST
        box.send(nak(asked.octets, 406) if is_end else ack(asked.octets), asked)

    async with nas(no_ends) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        assert await isp.judge.disconnect(isp.isp.tenant_id, session)
        await isp.becomes(session, "waiting")
        await isp.judge.subscriber(alice)
        assert (await isp.row(session) or {})["reason"] == "staff", "people see that it failed"
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert "Mikrotik-Rate-Limit=20M/1M" in row["request"]


async def test_what_our_key_could_not_open_is_sent_when_it_can(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        isp.sender._vault = Vault(bytes(31) + b"x", Chance())
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "waiting")
        assert "restore the key file" in row["cause"]
        assert row["next_at"] is not None
        isp.sender._vault = isp.vault
        await isp.sql.execute("UPDATE enforcement SET next_at = now()")
        await isp.whole.run()
        await isp.becomes(session, "told")


async def test_a_nas_that_was_set_up_anew_is_told_what_it_had_refused_and_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """Else each of its sessions would wait for somebody to reapply it by hand."""
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 403), asked)) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "stopped")
        await isp.whole.run()
        assert len(box.asked) == 1
        await isp.sql.execute("UPDATE nas SET updated_at = now()")
        await isp.whole.run()
        await until(lambda: len(box.asked) == 2)
        await isp.becomes(session, "stopped")
        await isp.whole.run()
        await asyncio.sleep(0.6)
        assert len(box.asked) == 2


@pytest.mark.slow
async def test_many_silent_nases_do_not_hold_up_one_that_answers(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region without power: each of its boxes is waited for, and nobody behind them."""
    monkeypatch.setattr(tests.aaa.enforcing, "QUICK", RetryPolicy(irt_s=5.0))
    async with (
        nas(is_silent) as dead,
        nas(acks, "127.0.0.2") as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        alice = await isp.isp.subscriber(await isp.plan())
        for number in range(70):
            region = await isp.nas(dead.address[1], f"dead-{number}", host=f"127.0.1.{number}")
            await isp.session(alice, region)
        alive = await isp.nas(box.address[1], host="127.0.0.2")
        session = await isp.session(alice, alive)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told", 3.0)


async def test_an_id_that_a_nas_gave_again_does_not_end_the_session_of_who_has_it_now(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """It was rebooted and said nothing, so his session seems to run; and some look at ids alone."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice, bob = await isp.isp.subscribers(await isp.plan(), "alice", "bob")
        old, new = await isp.session(alice, bras), await isp.session(bob, bras)
        await isp.sql.execute(
            "UPDATE session SET acct_session_id = (SELECT acct_session_id FROM session"
            " WHERE id = $1) WHERE id = $2",
            old,
            new,
        )
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(old, "stale")
        assert "a later session" in row["cause"]
        assert box.asked == []
        await isp.hold(bob)
        await isp.judge.subscriber(bob)
        await isp.becomes(new, "told")


@pytest.mark.slow
async def test_a_directory_that_is_behind_is_not_looked_at_as_fast_as_the_database_answers(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with enforcing(fresh_database_url, tmp_path) as isp:
        alice = await isp.isp.subscriber(await isp.plan())
        await isp.is_current(alice)
        monkeypatch.setattr(isp.replica.replicator, "catch_up", _nothing)
        looks, fresh = 0, isp.judge._fresh

        async def counted(numbers: list[int]) -> dict[int, SubscriberRecord]:
            nonlocal looks
            looks += 1
            return await fresh(numbers)

        monkeypatch.setattr(isp.judge, "_fresh", counted)
        await isp.hold(alice)
        with pytest.raises(DirectoryBehind):
            await isp.judge.subscriber(alice)
        assert 10 < looks <= DIRECTORY_WITHIN_S / LOOK_S
