"""What a login will see of rows that an operator's own SQL may have written."""

import json

import asyncpg
import pytest

from aaa import rows
from aaa.on_nas import OnNas
from aaa.policy import FOREVER, is_in_force
from aaa.records import Personal, ProfileRecord, Quota, SubscriberRecord, Used
from aaa.zones import stored, zone_of
from core.db import connect
from tests.aaa.replica import DICTIONARY, isp

FAR_FUTURE_S = 2_000_000_000


async def record_after(url: str, *statements: str) -> SubscriberRecord:
    """Alice's record when the owner has run these; {id}, {tenant} and {nas} are hers."""
    async with isp(url) as owner:
        profile = await owner.profile()
        alice, nas = await owner.subscriber(profile), await owner.nas()
        for statement in statements:
            await owner.sql.execute(statement.format(id=alice, tenant=owner.tenant_id, nas=nas))
        (row,) = await owner.sql.fetch(rows.SUBSCRIBERS_BY_ID, [alice])
        record = rows.subscriber_of(row, DICTIONARY)
        assert record.id == alice
        return record


async def test_a_bare_subscriber_is_entitled_without_an_end_and_has_no_proof(
    fresh_database_url: str,
) -> None:
    record = await record_after(fresh_database_url)
    assert record.profile_id > 0
    assert (record.credential_sealed, record.valid_until_s, record.holds) == (b"", FOREVER, ())
    assert (record.bound_nas_ids, record.bound_macs, record.personal) == ((), (), None)


async def test_one_without_an_entitlement_is_entitled_to_nothing(fresh_database_url: str) -> None:
    record = await record_after(fresh_database_url, "DELETE FROM entitlement")
    assert record.profile_id == 0


async def test_everything_of_a_subscriber_is_in_the_record(fresh_database_url: str) -> None:
    record = await record_after(
        fresh_database_url,
        "INSERT INTO credential (subscriber_id, tenant_id, sealed) VALUES ({id}, {tenant}, 'abc')",
        "UPDATE entitlement SET valid_until = '2027-01-01T00:00:00.25Z'",
        "INSERT INTO subscriber_nas (subscriber_id, nas_id, tenant_id)"
        " VALUES ({id}, {nas}, {tenant})",
        "UPDATE subscriber SET bind_mac = '{{02005e100001,02005e100002}}',"
        " static_ipv4 = '203.0.113.9', static_ipv6_prefix = '2001:db8:1:42::/64',"
        """ delegated_ipv6 = '2001:db8:42::/56', reply = '{{"Reply-Message": ["a", "b"]}}'""",
    )
    assert record.credential_sealed == b"abc"
    assert record.valid_until_s == 1_798_761_601  # the second in which it ends counts whole
    assert len(record.bound_nas_ids) == 1
    assert record.bound_macs == ("02005e100001", "02005e100002")
    assert record.personal == Personal(
        "203.0.113.9", "2001:db8:1:42::/64", "2001:db8:42::/56", b"\x12\x03a\x12\x03b"
    )


@pytest.mark.parametrize(
    ("until", "valid_until_s"),
    [
        pytest.param("infinity", FOREVER, id="never ends"),
        pytest.param("-infinity", 1, id="ended before all time"),
        pytest.param("1970-01-01T00:00:00Z", 1, id="ended when Unix began"),
        pytest.param("1969-12-31T00:00:00Z", 1, id="ended before Unix began"),
        pytest.param("2038-01-19T03:14:08Z", 2**31, id="ends after 32 bits"),
    ],
)
async def test_an_end_is_never_taken_for_no_end(
    fresh_database_url: str, until: str, valid_until_s: int
) -> None:
    record = await record_after(
        fresh_database_url, f"UPDATE entitlement SET valid_until = '{until}'"
    )
    assert record.valid_until_s == valid_until_s


@pytest.mark.parametrize(
    ("since", "until", "held_at"),
    [
        pytest.param("2020-01-01Z", None, True, id="since then"),
        pytest.param("-infinity", "infinity", True, id="always"),
        pytest.param("infinity", None, False, id="never begins"),
        pytest.param("2020-01-01Z", "-infinity", False, id="ended before all time"),
        pytest.param("2020-01-01Z", "1970-01-01Z", False, id="ended when Unix began"),
        pytest.param("2020-01-01Z", "2100-01-01Z", True, id="for long"),
    ],
)
async def test_a_hold_begins_and_ends_when_its_row_says(
    fresh_database_url: str, since: str, until: str | None, held_at: bool
) -> None:
    """A hold at infinity once stopped the replication of everything."""
    end = f"'{until}'" if until else "NULL"
    record = await record_after(
        fresh_database_url,
        "INSERT INTO hold (subscriber_id, tenant_id, source, effect, since, until)"
        f" VALUES ({{id}}, {{tenant}}, 'staff', 'walled_garden', '{since}', {end})",
    )
    (hold,) = record.holds
    assert (hold.source, hold.effect) == ("staff", "walled_garden")
    is_held = is_in_force(hold, FAR_FUTURE_S)
    assert is_held is held_at


async def test_all_holds_are_there_in_the_order_they_were_made(fresh_database_url: str) -> None:
    record = await record_after(
        fresh_database_url,
        *(
            "INSERT INTO hold (subscriber_id, tenant_id, source)"
            f" VALUES ({{id}}, {{tenant}}, '{source}')"
            for source in ("quota", "staff", "dunning")
        ),
    )
    assert [hold.source for hold in record.holds] == ["quota", "staff", "dunning"]


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        pytest.param('{"Reply-Message": "hi"}', b"\x12\x04hi", id="text"),
        pytest.param('{"Idle-Timeout": 60}', b"\x1c\x06\x00\x00\x00\x3c", id="number"),
        pytest.param('{"Idle-Timeout": 60, "No-Such": 1}', b"\x1c\x06\x00\x00\x00\x3c", id="part"),
        pytest.param('{"Idle-Timeout": 4294967296}', b"", id="too large a number"),
        pytest.param(
            '{"Session-Timeout": 1, "Idle-Timeout": 60}',
            b"\x1c\x06\x00\x00\x00\x3c",
            id="one that is set from elsewhere",
        ),
        pytest.param('{"MS-CHAP2-Success": "x"}', b"", id="one that proves"),
        pytest.param('{"Error-Cause": 201}', b"", id="one that no Accept may hold"),
        pytest.param('{"Idle-Timeout": null}', b"", id="null"),
        pytest.param('{"Idle-Timeout": {"a": 1}}', b"", id="an object inside"),
        pytest.param('["Reply-Message"]', b"", id="a list"),
        pytest.param('"Reply-Message"', b"", id="a string"),
        pytest.param("null", b"", id="JSON null"),
    ],
)
async def test_reply_attributes_that_make_no_sense_cost_nothing_but_themselves(
    fresh_database_url: str, reply: str, octets: bytes
) -> None:
    escaped = reply.replace("{", "{{").replace("}", "}}")
    record = await record_after(fresh_database_url, f"UPDATE subscriber SET reply = '{escaped}'")
    assert record.personal is not None
    assert record.personal.reply == octets


async def test_a_page_of_subscribers_goes_on_after_the_last(fresh_database_url: str) -> None:
    async with isp(fresh_database_url) as owner:
        numbers = await owner.subscribers(await owner.profile(), "a", "b", "c")
        first = await owner.sql.fetch(rows.SUBSCRIBERS_AFTER, 0, 2)
        rest = await owner.sql.fetch(rows.SUBSCRIBERS_AFTER, first[-1]["id"], 2)
        assert [row["id"] for row in (*first, *rest)] == numbers


async def test_the_node_may_read_all_of_it(fresh_database_url: str) -> None:
    async with isp(fresh_database_url) as owner:
        await owner.subscriber(await owner.profile())
        await owner.nas()
    node: asyncpg.Connection = await connect(fresh_database_url, "turnpike_node")
    try:
        (subscriber,) = await node.fetch(rows.SUBSCRIBERS_AFTER, 0, 10)
        (nas,) = await node.fetch(rows.NASES)
        (profile,) = await node.fetch(rows.PROFILES)
    finally:
        await node.close()
    assert subscriber["username"] == "alice"
    assert rows.nas_of(nas).network == "192.0.2.1/32"
    assert rows.profile_of(profile).code == "home-50"


SESSION = (
    "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
    " generation, subscriber_id, username, calling_station, mac, circuit_id, nas_identifier,"
    " nas_address, nas_port, nas_port_id, multi_session_id, started_at, last_seen_at, stopped_at,"
    " silent_since, terminate_cause, closed_by, session_time_s, input_octets, output_octets,"
    " confidence) SELECT {{tenant}}, 7, '', number, '{nonce}', 0, {{id}}, 'alice', '{station}', '',"
    " '', '', '', {port}, '{port_id}', '{multi}', '2026-01-01Z', '{seen}', {stopped},"
    " {silent}, 0, '', 0, 0, 0, 0 FROM generate_series({first}, {last}) AS number"
)


def sessions(
    first: int,
    last: int | None = None,
    *,
    nonce: str = "",
    station: str = "",
    port: str = "NULL",
    port_id: str = "",
    multi: str = "",
    seen: str = "2026-01-01T12:00:00.9Z",
    stopped: str = "NULL",
    silent: str = "NULL",
) -> str:
    """The statement for sessions of Alice with these numbers as Acct-Session-Id."""
    return SESSION.format(**{**locals(), "last": last or first})


LIMITED = "UPDATE profile SET session_limit = 2"


async def test_open_sessions_are_in_the_record_of_who_has_a_limit(fresh_database_url: str) -> None:
    record = await record_after(
        fresh_database_url,
        LIMITED,
        sessions(1, nonce="00000000000000aa", station=r"ST\xe9", port_id="eth1", multi="m"),
        sessions(2, port="4294967295", port_id="eth1"),
        sessions(3, port="8"),
        sessions(4, port="-1", seen="infinity"),
        sessions(5, stopped="'2026-01-01T13:00:00Z'"),
        sessions(6, silent="'2026-01-01T13:00:00Z'"),
    )
    seen_s = 1_767_268_800
    assert [(one.acct_session_id, one.device) for one in record.sessions] == [
        ("1", b"7:st\xe9"),
        ("2", b"7 port-id:eth1"),
        ("3", b"7 port:\0\0\0\x08"),
        ("4", b"7 port:\xff\xff\xff\xff"),
    ]
    first = record.sessions[0]
    assert (first.nonce, first.multi_session) == (b"00000000000000aa", "m")
    assert [one.last_seen_s for one in record.sessions] == [seen_s, seen_s, seen_s, 0]
    assert [one.id for one in record.sessions] == sorted(one.id for one in record.sessions)


async def test_without_a_limit_nobody_asks_for_sessions(fresh_database_url: str) -> None:
    record = await record_after(fresh_database_url, sessions(1))
    assert record.sessions == ()


async def test_however_many_sessions_are_open_the_record_holds_the_newest(
    fresh_database_url: str,
) -> None:
    record = await record_after(fresh_database_url, LIMITED, sessions(1, 500))
    assert [one.acct_session_id for one in record.sessions] == [str(n) for n in range(435, 501)]


STATE = (
    "INSERT INTO quota_state (subscriber_id, tenant_id, window_starts_at, window_ends_at, octets,"
    " time_s) VALUES ({{id}}, {{tenant}}, '2026-01-01Z', {ends}, 60, 7)"
)


@pytest.mark.parametrize(
    ("ends", "window_ends_s"),
    [("'2026-02-01Z'", 1_769_904_000), ("NULL", FOREVER), ("'-infinity'", 1)],
)
async def test_what_is_used_of_a_quota_is_in_the_record(
    fresh_database_url: str, ends: str, window_ends_s: int
) -> None:
    record = await record_after(fresh_database_url, STATE.format(ends=ends))
    assert record.quota == Used(window_ends_s, 60, 7)


async def profile_after(url: str, values: str) -> ProfileRecord:
    async with isp(url) as owner:
        await owner.profile()
        await owner.sql.execute(f"UPDATE profile SET {values}")
        [row] = await owner.sql.fetch(rows.PROFILES)
        counts = await owner.sql.fetchval(f"SELECT {rows.COUNTS_SESSIONS} FROM profile AS p")
        profile = rows.profile_of(row)
        assert profile.counts_sessions == counts, "both say the same"
        return profile


async def test_what_a_plan_says_to_boxes_alone_is_in_its_record(fresh_database_url: str) -> None:
    said = """{"vlan": 100, "group": "gold", "of_a_newer_version": 1}"""
    profile = await profile_after(fresh_database_url, f"on_nas = '{said}'")
    assert profile.on_nas == OnNas(vlan=100, group="gold")


async def test_what_plain_sql_says_to_boxes_costs_nothing_but_itself(
    fresh_database_url: str,
) -> None:
    profile = await profile_after(fresh_database_url, """on_nas = '{"vlan": "a hundred"}'""")
    assert profile.on_nas == OnNas()
    assert profile.code == "home-50"


async def test_a_profiles_quota_is_in_its_record(fresh_database_url: str) -> None:
    profile = await profile_after(
        fresh_database_url,
        "quota_octets = 100, quota_time_s = 7, quota_direction = 'upload', at_quota = 'throttle',"
        " fup_download_bps = 2, fup_upload_bps = 1",
    )
    assert profile.quota == Quota(100, 7, "upload", "throttle", 2, 1, is_weighed=False)
    assert profile.counts_sessions


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        pytest.param("at_quota = 'block'", False, id="no quota"),
        pytest.param("quota_octets = 1, at_quota = 'nothing'", False, id="without effect"),
        pytest.param("quota_time_s = 1, at_quota = 'block'", True, id="time"),
        pytest.param("session_limit = 1", True, id="a session limit"),
    ],
)
async def test_sessions_count_where_they_are_limited_or_share_a_quota(
    fresh_database_url: str, values: str, counts: bool
) -> None:
    assert (await profile_after(fresh_database_url, values)).counts_sessions == counts


@pytest.mark.parametrize(
    ("zones", "is_weighed"),
    [
        pytest.param(stored([zone_of(0, 360, 100)]), False, id="all count alike"),
        pytest.param(stored([zone_of(0, 360, 100), zone_of(360, 720, 0)]), True, id="one is free"),
        pytest.param([{"from": "00:00"}], True, id="nobody knows"),
        pytest.param(None, True, id="no list"),
    ],
)
async def test_a_zone_of_another_weight_is_known(
    fresh_database_url: str, zones: object, is_weighed: bool
) -> None:
    """The NAS could not count by it."""
    profile = await profile_after(
        fresh_database_url, f"quota_octets = 100, zones = '{json.dumps(zones)}'"
    )
    assert profile.quota is not None
    assert profile.quota.is_weighed == is_weighed
