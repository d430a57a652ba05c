"""Turnpike and FreeRADIUS read the same stream, and what they store of it is the same."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench import accounting, freeradius, packets, radload
from bench.accounting import Reader
from bench.accounting_packets import WHOLE, Stream, whole
from bench.processes import Failed
from bench.scenarios import QUICK, Setting
from bench.turnpike import installation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("gcc") or shutil.which("cc")), reason="radload needs a C compiler"
    ),
]
has_freeradius = pytest.mark.skipif(
    not Path("/usr/lib/freeradius/rlm_sql_postgresql.so").exists(),
    reason="FreeRADIUS with PostgreSQL is not installed",
)


@pytest.fixture
def stream() -> Stream:
    radload.build()
    return Stream(sessions=512, past=1_024, began_at=int(time.time()) - 8 * 3600)


@pytest.mark.long
@pytest.mark.scenario
def test_turnpike_stores_what_it_answers_and_a_backlog_is_drained_beside_logins(
    stream: Stream, tmp_path: Path
) -> None:
    packets.write(tmp_path / "pap", "pap", 256)
    with installation(stream.subscribers, workers=1) as (turnpike, _), turnpike.serving():
        reader = accounting.turnpike_reader(turnpike, stream, tmp_path)
        sample = reader.read("stored", 0, 5_000, stored=True, window=32)
        assert sample.outcome.answered == WHOLE
        assert 0 < sample.per_s < sample.outcome.answered_per_s
        reader.check()

        with turnpike.without_ingest():
            reader.read("receipts", 0, 1, window=32)
            with pytest.raises(Failed, match=f"{stream.past + WHOLE} of"):
                turnpike.wait_counted(stream.past + reader.position, timeout_s=0.5)
            with pytest.raises(Failed, match="sessions and octets"):
                reader.check()
        reader.finish(reader.position)
        reader.check()

        setting = replace(QUICK, backlog=WHOLE, open_s=0.2)
        [backlog] = accounting.backlogs(turnpike, reader, tmp_path / "pap", setting)
        assert backlog.records == WHOLE
        assert backlog.ingest_private_octets > 5e6
        for one in (*backlog.calm, *backlog.during):
            assert one.outcome.codes == {"2": one.outcome.sent}
        reader.check()


@pytest.mark.peer
@has_freeradius
def test_freeradius_stores_what_it_answers_and_statistics_that_slow_it_down_are_refused(
    stream: Stream, tmp_path: Path
) -> None:
    with freeradius.radacct(stream) as (server, cluster):
        reader = accounting.radacct_reader(server, cluster, stream, tmp_path)
        reader.read("stored", 0, 5_000, stored=True, window=32)
        reader.check()
        cluster.sql("DELETE FROM radacct WHERE acctsessionid = '80000000'")
        with pytest.raises(Failed, match="sessions and octets"):
            reader.check()
        cluster.sql("UPDATE radacct SET acctstoptime = now()")
        cluster.sql("VACUUM ANALYZE radacct")
        with pytest.raises(Failed, match="every open session"):
            freeradius.check_plan(cluster)


@pytest.mark.peer
@has_freeradius
def test_freeradius_writes_a_detail_of_every_record(stream: Stream, tmp_path: Path) -> None:
    with freeradius.detail() as server:
        Reader(server, stream, tmp_path / "detail").read("receipts", 0, 1, window=32)


@pytest.mark.parametrize("setting", [QUICK, Setting(), Setting(repetitions=100)])
def test_the_stream_ends_now_and_began_no_longer_ago_than_is_believed(setting: Setting) -> None:
    stream = accounting.stream(setting)
    assert stream.interval_s == 300 or setting.repetitions == 100
    assert time.time() - 23 * 3600 < stream.began_at
    backlogs = setting.backlog_repetitions * whole(setting.backlog)
    read = setting.repetitions * whole(setting.records) + backlogs
    assert stream.sent_at(read) < time.time()
