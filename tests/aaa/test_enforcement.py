"""Sessions that run get what they should have, over the wire."""

from pathlib import Path

from tests.aaa.enforcing import codes, enforcing
from tests.asking import COA_REQUEST, DISCONNECT_REQUEST
from tests.core.jobbing import until
from tests.nas_adapters.asked import acks, nas


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
