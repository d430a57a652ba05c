"""Sessions that run get what they should have, over the wire."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aaa import enforcement_report
from aaa.enforcement_judge import DirectoryBehind
from aaa.enforcement_sender import LANES, Sender
from core.clock import Clock
from tests.aaa.enforcing import FAST, codes, enforcing, send
from tests.aaa.replica import eventually
from tests.asking import COA_REQUEST, DISCONNECT_REQUEST
from tests.core.jobbing import until
from tests.nas_adapters.asked import Asked, Nas, ack, acks, is_silent, nak, nas, reply


async def test_a_suspension_ends_the_session_and_its_stop_is_the_proof(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.judge.subscriber(alice)
        assert await isp.row(session) is None, "he has what he is to have"
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert codes(box) == [DISCONNECT_REQUEST]
        assert box.asked[0].first(44) == b"81200001"
        assert (row["service"], row["reason"], row["rung"]) == ("off", "suspended", "disconnect")
        assert row["target"] == f"127.0.0.1:{box.address[1]}"
        assert "Acct-Session-Id=81200001" in row["request"]
        await isp.stops(session)
        await isp.whole.settle()
        assert await isp.row(session) is None


async def test_another_speed_is_told_by_coa_and_told_back(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        plan = await isp.plan(
            quota_octets=1000,
            at_quota="throttle",
            fup_download_bps=1_000_000,
            fup_upload_bps=500_000,
        )
        alice = await isp.isp.subscriber(plan)
        session = await isp.session(alice, bras)
        await isp.sql.execute(
            "INSERT INTO quota_state (subscriber_id, tenant_id, octets, quota_octets)"
            " VALUES ($1, $2, 2000, 1000)",
            alice,
            isp.isp.tenant_id,
        )
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert codes(box) == [COA_REQUEST]
        assert (row["service"], row["reason"]) == ("throttled", "quota")
        assert "Mikrotik-Rate-Limit=500k/1M" in row["request"]
        await isp.sql.execute("UPDATE quota_state SET octets = 0")
        await isp.judge.subscriber(alice)
        await until(lambda: len(box.asked) == 2)
        row = await isp.becomes(session, "told")
        assert "Mikrotik-Rate-Limit=20M/50M" in row["request"]
        assert row["applied"] == row["wanted"]


async def test_a_newer_wish_takes_the_place_of_an_older(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(is_silent) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await until(lambda: codes(box))
        await isp.lift(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "done")
        assert row["wanted"] == row["applied"] != "off"
        await isp.whole.run()
        sent = len(box.asked)
        await asyncio.sleep(1.0)  # longer than the older one would be sent again
        assert len(box.asked) <= max(sent, 3), "copies of the first, and no attempt after it"
        assert (await isp.becomes(session, "done"))["attempts"] == 0


async def test_a_wish_that_was_carried_out_after_all_is_undone(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """The newer wish came while the older was on its way: what the box has is what it was told."""

    def late(box: Nas, asked: Asked) -> None:
        box.later(0.3, ack(asked.octets), asked)

    async with nas(late) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        await until(lambda: codes(box) == [COA_REQUEST])
        await isp.sql.execute("UPDATE entitlement SET profile_id = (SELECT min(id) FROM profile)")
        await isp.judge.subscriber(alice)
        assert (await isp.row(session) or {})["state"] == "due"
        row = await isp.becomes(session, "told")
        assert "Mikrotik-Rate-Limit=20M/50M" in row["request"]
        assert row["applied"] == row["wanted"]


async def test_a_stale_session_of_ours_is_not_asked_for_again(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with (
        nas(lambda box, asked: box.send(nak(asked.octets, 503), asked)) as box,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "stale")
        assert row["error_cause"] == 503
        await isp.whole.run()
        await isp.judge.subscriber(alice)
        assert codes(box) == [DISCONNECT_REQUEST]
        async with isp.app.transaction(isp.isp.tenant_id) as tx:
            [listed] = await enforcement_report.page(tx, before=2**62, limit=9)
        assert "503 Session-Context-Not-Found" in listed.why
        await isp.sql.execute("UPDATE enforcement SET told_at = told_at - interval '1 minute'")
        await isp.reports(session, 300)
        await isp.whole.settle()
        row = await isp.becomes(session, "waiting")
        assert "and reports it" in row["cause"], "it is named wrongly"
        assert codes(box) == [DISCONNECT_REQUEST]


async def test_a_silent_nas_is_spared_and_what_waits_for_it_says_so(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with (
        nas(is_silent) as box,
        nas(acks, "127.0.0.2") as other,
        enforcing(fresh_database_url, tmp_path) as isp,
    ):
        dead = await isp.nas(box.address[1])
        alive = await isp.nas(other.address[1], "bras-2", host="127.0.0.2")
        plan = await isp.plan()
        everybody = await isp.isp.subscribers(plan, *(f"user-{number}" for number in range(200)))
        sessions = [await isp.session(one, dead) for one in everybody]
        theirs = await isp.session(everybody[0], alive)
        await isp.sql.execute(
            "INSERT INTO hold (tenant_id, subscriber_id, source)"
            " SELECT tenant_id, id, 'staff' FROM subscriber"
        )
        await isp.is_current(everybody[-1])
        await isp.judge.subscribers(everybody)
        await isp.becomes(theirs, "told")
        await until(lambda: isp.sender.silent() == [dead])
        await asyncio.sleep(1.0)
        assert len({asked.first(44) for asked in box.asked}) <= LANES * 8
        assert (await isp.row(sessions[-1]) or {})["cause"] == "waits: its NAS is silent"


async def test_forged_acks_end_nothing_and_are_told_as_another_secret(
    fresh_database_url: str, tmp_path: Path
) -> None:
    def forge(box: Nas, asked: Asked) -> None:
        box.send(reply(asked.octets, asked.code + 1, secret=b"guessed"), asked)

    async with nas(forge) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)

        async def is_noted() -> bool:
            return bool((await isp.row(session) or {})["attempts"] == 1)

        await until(is_noted)
        row = await isp.row(session) or {}
        assert row["state"] == "due"
        assert "another secret" in row["cause"]
        assert len(box.asked) <= 3


async def test_a_box_without_coa_is_disconnected_and_one_without_either_waits_for_a_login(
    fresh_database_url: str, tmp_path: Path
) -> None:
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
        row = await isp.becomes(session, "waiting")
        assert codes(box) == [COA_REQUEST, DISCONNECT_REQUEST]
        assert row["cause"].startswith("coa: 406")
        assert "disconnect: 406" in row["cause"]
        assert "api: its NAS has no API" in row["cause"]
        await isp.whole.run()
        await isp.whole.settle()
        await asyncio.sleep(0.7)
        assert len(box.asked) == 2, "no loop, however often somebody looks"


async def test_an_ack_without_effect_is_found_and_goes_down_the_ladder(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1], vendor="generic")
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told")
        await isp.sql.execute("UPDATE enforcement SET told_at = told_at - interval '1 minute'")
        await isp.whole.settle()
        assert (await isp.row(session) or {})["state"] == "told", "nothing was reported yet"
        await isp.reports(session, 300)
        await isp.whole.settle()
        row = await isp.becomes(session, "waiting")
        assert "acknowledged, and the session goes on" in row["cause"]


async def test_a_coa_that_was_acknowledged_and_not_done_ends_the_session(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told")
        await isp.sql.execute("UPDATE enforcement SET told_at = told_at - interval '1 minute'")
        for _ in range(2):  # at 40 Mbit/s, which is not 1
            await isp.reports(session, 300, output_octets=1_500_000_000)
            await isp.whole.settle()
        await until(lambda: codes(box) == [COA_REQUEST, DISCONNECT_REQUEST])
        row = await isp.becomes(session, "told")
        assert "40.0 Mbit/s instead of 1.0" in row["cause"]


async def test_a_coa_that_later_reports_agree_with_is_done(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        slow = await isp.plan("slow", download=1_000_000)
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET profile_id = $1", slow)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told")
        await isp.sql.execute("UPDATE enforcement SET told_at = told_at - interval '1 minute'")
        for _ in range(2):
            await isp.reports(session, 300, output_octets=30_000_000)
            await isp.whole.settle()
        assert (await isp.row(session) or {})["state"] == "done"
        await isp.whole.run()
        assert len(box.asked) == 1


async def test_the_pass_finds_what_no_job_told_of(fresh_database_url: str, tmp_path: Path) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice, bob, carol = await isp.isp.subscribers(await isp.plan(), "alice", "bob", "carol")
        sessions = [await isp.session(one, bras) for one in (alice, bob, carol)]
        nobodys = await isp.session(None, bras)
        await isp.hold(bob)
        await isp.sql.execute("DELETE FROM subscriber WHERE id = $1", carol)
        await eventually(lambda: isp.replica.subscriber(isp.isp.tenant_id, b"carol") is None)
        await isp.is_current(bob)
        await isp.whole.run()
        assert (isp.whole.sessions, isp.whole.differing) == (3, 2)
        for one in sessions[1:]:
            assert (await isp.becomes(one, "told"))["service"] == "off"
        assert await isp.row(sessions[0]) is None
        assert await isp.row(nobodys) is None
        assert len(box.asked) == 2


async def test_who_came_online_while_he_was_suspended_is_found_at_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """His login was before it and his Start after: there was nobody to leave a job for."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice, bob = await isp.isp.subscribers(await isp.plan(), "alice", "bob")
        await isp.whole.newcomers()
        await isp.hold(alice)
        await isp.is_current(alice)
        late, fine = await isp.session(alice, bras), await isp.session(bob, bras)
        nameless = await isp.session(bob, bras, None)
        await isp.whole.newcomers()
        assert (await isp.becomes(late, "told"))["reason"] == "suspended"
        assert await isp.row(fine) is None
        assert await isp.row(nameless) is None, "he was given it a moment ago"


@pytest.mark.slow
async def test_nobody_is_told_before_the_next_login_would_be_told_the_same(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """Disconnected sooner, he would be let in again as he was.  The job is tried again."""
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice, bob = await isp.isp.subscribers(await isp.plan(), "alice", "bob")
        session = await isp.session(alice, bras)
        await isp.is_current(alice)
        # As if the replicator were far behind.
        await isp.sql.execute("ALTER TABLE hold DISABLE TRIGGER note_insert")
        await isp.hold(alice)
        with pytest.raises(DirectoryBehind):
            await isp.judge.subscriber(alice)
        assert await isp.judge.subscriber(bob) == 0, "he waits for nobody"
        assert await isp.row(session) is None
        assert box.asked == []


async def test_a_directory_that_nobody_keeps_ends_no_session(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.judge.subscriber(alice)
        isp.replica.writer.put_subscribers({alice: None})
        await isp.whole.run()
        assert await isp.row(session) is None, "the database has him"
        isp.replica.writer.set_position(b"old", 1, 1.0)
        await isp.hold(alice)
        isp.whole.sessions = -1
        isp.replica.writer.set_position(b"old", 1, 1.0)
        await isp.whole.run()
        assert box.asked == []


async def test_a_session_whose_class_nobody_returns_is_told_once_and_never_ended_for_it(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras, None)
        await isp.whole.run()
        row = await isp.becomes(session, "told")
        assert (row["reason"], row["applied"]) == ("unknown", row["wanted"])
        await isp.whole.run()
        assert codes(box) == [COA_REQUEST]


async def test_people_end_a_session_and_have_it_told_all_again(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        tenant_id = isp.isp.tenant_id
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        assert await isp.judge.reapply(tenant_id, session)
        assert "Mikrotik-Rate-Limit=20M/50M" in (await isp.becomes(session, "told"))["request"]
        assert await isp.judge.disconnect(tenant_id, session)
        await until(lambda: codes(box) == [COA_REQUEST, DISCONNECT_REQUEST])
        await isp.whole.run()
        await isp.judge.subscriber(alice)
        row = await isp.becomes(session, "told")
        assert (row["service"], row["reason"]) == ("off", "staff"), "the policy takes nothing back"
        assert not await isp.judge.disconnect(tenant_id + 1, session)


async def test_what_time_changes_is_looked_after_when_it_comes(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE entitlement SET valid_until = now() + interval '1.2 s'")
        await isp.judge.subscriber(alice)
        await isp.whole.by_time()
        assert await isp.row(session) is None

        async def is_over() -> bool:
            await isp.whole.by_time()
            return await isp.row(session) is not None

        await until(is_over)
        assert (await isp.becomes(session, "told"))["reason"] == "expired"


async def test_names_that_a_nas_makes_of_plans_are_part_of_what_its_sessions_have(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        await isp.sql.execute("""UPDATE nas SET name_templates = '{"group": "ppp-{plan.code}"}'""")
        alice = await isp.isp.subscriber(await isp.plan())
        named = await isp.session(alice, bras, replace(FAST, group="ppp-home"))
        plain = await isp.session(alice, bras)
        await isp.judge.subscriber(alice)
        await isp.whole.run()
        assert await isp.row(named) is None
        assert "Mikrotik-Group=ppp-home" in (await isp.becomes(plain, "told"))["request"]


async def test_the_newest_session_pushes_out_the_oldest_where_the_plan_says_so(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan(session_limit=1, at_limit="kick_oldest"))
        await isp.whole.newcomers()
        first = await isp.session(alice, bras)
        await isp.note(alice)
        await isp.whole.newcomers()
        assert await isp.row(first) is None, "alone he has room"
        second = await isp.session(alice, bras)
        await isp.sql.execute("UPDATE session SET calling_station = 'b' WHERE id = $1", second)
        await isp.note(alice)
        await isp.is_current(alice)
        await isp.whole.newcomers()
        row = await isp.becomes(first, "told")
        assert (row["service"], row["reason"]) == ("off", "session-limit")
        await isp.whole.run()
        assert await isp.row(second) is None
        assert len(box.asked) == 1


async def test_of_two_processes_one_tells_a_nas(fresh_database_url: str, tmp_path: Path) -> None:
    async with nas(acks) as box, enforcing(fresh_database_url, tmp_path) as isp:
        other = Sender(
            isp.rows, isp.node, isp.app, isp.vault, Clock(), asyncio.Event(), per_s=1e4, in_flight=8
        )
        stop = asyncio.Event()
        running = asyncio.create_task(send(other, stop))
        try:
            bras = await isp.nas(box.address[1])
            everybody = await isp.isp.subscribers(
                await isp.plan(), *(f"user-{number}" for number in range(60))
            )
            sessions = [await isp.session(one, bras) for one in everybody]
            await isp.sql.execute(
                "INSERT INTO hold (tenant_id, subscriber_id, source)"
                " SELECT tenant_id, id, 'staff' FROM subscriber"
            )
            for one in everybody[-1:]:
                await isp.judge.subscriber(one)
            await isp.judge.subscribers(everybody)
            for one in sessions:
                await isp.becomes(one, "told", 10)
            assert len(box.asked) == len(sessions), "nobody twice"
        finally:
            stop.set()
            await running


async def test_what_was_sent_and_not_written_down_is_sent_again(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """As of a process that was killed in between: the row says nothing, and the box says 503."""
    ended: set[bytes] = set()

    def ends(box: Nas, asked: Asked) -> None:
        session_id = asked.first(44) or b""
        box.send(nak(asked.octets, 503) if session_id in ended else ack(asked.octets), asked)
        ended.add(session_id)

    async with nas(ends) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        alice = await isp.isp.subscriber(await isp.plan())
        session = await isp.session(alice, bras)
        await isp.hold(alice)
        await isp.judge.subscriber(alice)
        await isp.becomes(session, "told")
        await isp.sql.execute("UPDATE enforcement SET state = 'due', next_at = made_at")
        await isp.becomes(session, "stale")
        await isp.stops(session)
        await isp.whole.settle()
        assert await isp.row(session) is None
        assert len(box.asked) == 2


@pytest.mark.slow
async def test_a_thousand_ends_keep_the_pace_that_spares_a_storm(
    fresh_database_url: str, tmp_path: Path
) -> None:
    def soon(box: Nas, asked: Asked) -> None:
        box.later(0.005, ack(asked.octets), asked)

    async with nas(soon) as box, enforcing(fresh_database_url, tmp_path) as isp:
        bras = await isp.nas(box.address[1])
        plan = await isp.plan()
        everybody = await isp.isp.subscribers(plan, *(f"user-{number}" for number in range(1000)))
        for one in everybody:
            await isp.session(one, bras)
        await isp.sql.execute(
            "INSERT INTO hold (tenant_id, subscriber_id, source)"
            " SELECT tenant_id, id, 'staff' FROM subscriber"
        )
        await isp.is_current(everybody[-1])
        began = time.monotonic()
        await isp.judge.subscribers(everybody)
        await until(lambda: len({asked.first(44) for asked in box.asked}) == 1000, 30)
        took_s = time.monotonic() - began
        assert 1000 / 150 * 0.9 < took_s < 10
