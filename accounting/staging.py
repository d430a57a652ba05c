"""The statements of ingest: rows go by COPY into temporary tables, and from there set-based.

PostgreSQL refuses COPY into a table under row-level security.  The temporary tables stay
for as long as the connection and are empty between transactions.  Times travel as Unix
seconds: the server makes them timestamps at a tenth of what a datetime costs here.

Knows tables and no rules.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.db import Tx, raw

# Tables grow from nothing to millions of rows between two ANALYZEs, and a plan that reads
# one of them whole for a batch would be the end: all that is looked up here has an index.
# The spool forgets what is committed, so a commit must be on the server's disk; a server that
# asks for more than that, of its replicas, keeps it.
_BEGIN: Final = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true),
       set_config('synchronous_commit', replace(replace(
           current_setting('synchronous_commit'), 'off', 'on'), 'local', 'on'), true)
"""

_TABLES: Final = {
    "stage_record": "tenant_id bigint, received_at float8, nas_id bigint, source text,"
    " session_id bigint, segment uuid, seq bigint, packet bytea, counted_as bigint",
    "stage_group": "key bytea, tenant_id bigint, sessions bytea, state bytea, abouts bytea",
    "stage_seen_group": "key bytea, sessions bytea, state bytea, abouts bytea, place tid,"
    " writer xid",
    "stage_new_group": "key bytea, tenant_id bigint, sessions bytea, state bytea, abouts bytea",
    "stage_session": "id bigint, tenant_id bigint, nas_id bigint, nas_reported text,"
    " acct_session_id text, class_nonce text, generation int, subscriber_id bigint,"
    " username text, calling_station text, mac text, circuit_id text, nas_identifier text,"
    " nas_address text, nas_port bigint, nas_port_id text, framed_ip text, framed_ipv6 text,"
    " delegated_ipv6 text, multi_session_id text, started_at float8, last_seen_at float8,"
    " stopped_at float8, terminate_cause bigint, closed_by text, session_time_s bigint,"
    " input_octets bigint, output_octets bigint, confidence smallint, interval_s int",
    "stage_counters": "id bigint, started_at float8, last_seen_at float8, stopped_at float8,"
    " terminate_cause bigint, closed_by text, session_time_s bigint, input_octets bigint,"
    " output_octets bigint, confidence smallint, interval_s int",
    "stage_usage": "tenant_id bigint, subscriber_id bigint, session_id bigint, begins_at float8,"
    " confidence smallint, input_octets bigint, output_octets bigint, session_time_s bigint",
    "stage_history": "key bytea, number int, tenant_id bigint, points bytea",
    "stage_dead": "tenant_id bigint, received_at float8, nas_id bigint, source text,"
    " packet bytea, reason text, segment uuid, seq bigint",
}
_COLUMNS: Final = {
    table: [column.split()[0] for column in columns.split(",")]
    for table, columns in _TABLES.items()
}
_CREATE: Final = ";\n".join(
    f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DELETE ROWS"
    for table, columns in _TABLES.items()
)
_HAS_STAGES: Final = "SELECT to_regclass('pg_temp.stage_record') IS NOT NULL"

# A lock costs as much as all else that is done to a row, and hardly ever do two nodes have
# records of one session at once.  So groups are only read, and where one is, and by whom it was
# written, must be the same when it is written.
READ_GROUPS: Final = """
SELECT key, sessions, state, abouts, ctid, xmin FROM session_group WHERE key = ANY ($1::bytea[])
"""
LOCK_GROUPS: Final = """
SELECT key, sessions, state, abouts FROM session_group
 WHERE key = ANY ($1::bytea[]) ORDER BY key FOR UPDATE
"""
HISTORY: Final = """
SELECT key, number, points FROM session_history WHERE key = ANY ($1::bytea[])
"""
SESSION_IDS: Final = """
SELECT nextval('session_id_seq') FROM generate_series(1, $1::int)
"""

# Waits for another ingest that is making the same group; the count then tells.
_INSERT_GROUPS: Final = """
INSERT INTO session_group (key, tenant_id, sessions, state, abouts)
SELECT key, tenant_id, sessions, state, abouts FROM stage_new_group ORDER BY key
    ON CONFLICT (key) DO NOTHING
"""
_UPDATE_SEEN_GROUPS: Final = """
UPDATE session_group AS g
   SET sessions = s.sessions, state = s.state, abouts = s.abouts, updated_at = now()
  FROM stage_seen_group AS s WHERE g.ctid = s.place AND g.xmin = s.writer AND g.key = s.key
"""
_UPDATE_GROUPS: Final = """
UPDATE session_group AS g
   SET sessions = s.sessions, state = s.state, abouts = s.abouts, updated_at = now()
  FROM stage_group AS s WHERE g.key = s.key
"""
_WHOLE: Final = tuple(_COLUMNS["stage_session"])
_KEY: Final = ("tenant_id", "nas_id", "nas_reported", "acct_session_id", "class_nonce")
# A number that is another session's already leaves that one as it is; the count then tells.
_UPSERT_SESSIONS: Final = f"""
INSERT INTO session ({", ".join(_WHOLE)})
SELECT id, tenant_id, nas_id, nas_reported, acct_session_id, class_nonce, generation,
       subscriber_id, username, calling_station, mac, circuit_id, nas_identifier, nas_address,
       nas_port, nas_port_id, nullif(framed_ip, '')::inet, nullif(framed_ipv6, '')::inet,
       nullif(delegated_ipv6, '')::inet, multi_session_id, to_timestamp(started_at),
       to_timestamp(last_seen_at), to_timestamp(stopped_at), terminate_cause, closed_by,
       session_time_s, input_octets, output_octets, confidence, interval_s
  FROM stage_session
    ON CONFLICT (id) DO UPDATE
   SET {", ".join(f"{column} = excluded.{column}" for column in _WHOLE if column != "id")}
 WHERE {" AND ".join(f"session.{column} = excluded.{column}" for column in _KEY)}
"""  # noqa: S608 - the names are those above
_UPDATE_COUNTERS: Final = """
UPDATE session AS t
   SET started_at = to_timestamp(s.started_at), last_seen_at = to_timestamp(s.last_seen_at),
       stopped_at = to_timestamp(s.stopped_at), terminate_cause = s.terminate_cause,
       closed_by = s.closed_by, session_time_s = s.session_time_s,
       input_octets = s.input_octets, output_octets = s.output_octets,
       confidence = s.confidence, interval_s = s.interval_s
  FROM stage_counters AS s WHERE t.id = s.id
"""
_INSERT_USAGE: Final = """
INSERT INTO usage (tenant_id, subscriber_id, session_id, begins_at, confidence, input_octets,
                   output_octets, session_time_s)
SELECT tenant_id, subscriber_id, session_id, to_timestamp(begins_at), confidence,
       input_octets, output_octets, session_time_s
  FROM stage_usage
"""
_INSERT_RECORDS: Final = """
INSERT INTO accounting_record (tenant_id, received_at, nas_id, source, session_id, segment, seq,
                               packet, counted_as)
SELECT tenant_id, to_timestamp(received_at), nas_id, source, session_id, segment, seq, packet,
       counted_as
  FROM stage_record
"""
_UPSERT_HISTORY: Final = """
INSERT INTO session_history (key, number, tenant_id, points)
SELECT key, number, tenant_id, points FROM stage_history
    ON CONFLICT (key, number) DO UPDATE SET points = excluded.points, sealed_at = now()
"""
_INSERT_DEAD: Final = """
INSERT INTO dead_letter (tenant_id, received_at, nas_id, source, packet, reason, segment, seq)
SELECT tenant_id, to_timestamp(received_at), nas_id, source, packet, reason, segment, seq
  FROM stage_dead
    ON CONFLICT (segment, seq) DO UPDATE SET reason = excluded.reason
"""
_FROM_STAGE: Final = {
    "stage_new_group": _INSERT_GROUPS,
    "stage_seen_group": _UPDATE_SEEN_GROUPS,
    "stage_group": _UPDATE_GROUPS,
    "stage_session": _UPSERT_SESSIONS,
    "stage_counters": _UPDATE_COUNTERS,
    "stage_usage": _INSERT_USAGE,
    "stage_record": _INSERT_RECORDS,
    "stage_history": _UPSERT_HISTORY,
    "stage_dead": _INSERT_DEAD,
}

Row = Sequence[object]


class NumberTaken(SQLAlchemyError):
    """The sequence of session numbers is behind the sessions, as after a restore of half of it.

    Trying again takes the next numbers, and never another session's row.
    """


async def begin(tx: Tx) -> asyncpg.Connection:
    """The connection of `tx`, with plans kept sane, and stages made if it has none yet."""
    # By SQLAlchemy, which opens the transaction with its first statement and not before.
    await tx.execute(text(_BEGIN))
    connection = await raw(tx)
    assert connection.is_in_transaction()
    if not await connection.fetchval(_HAS_STAGES):
        await connection.execute(_CREATE)
    return connection


async def write(connection: asyncpg.Connection, stage: str, rows: Collection[Row]) -> int:
    """Take `rows` through `stage` to their table and return how many arrived.

    Again in the same transaction only after `empty`.

    Raises:
        NumberTaken: the number of one of these sessions is another's.
    """
    if not rows:
        return 0
    await copy(connection, stage, rows)
    told: str = await connection.execute(_FROM_STAGE[stage])
    arrived = int(told.rpartition(" ")[2])
    if stage == "stage_session" and arrived != len(rows):
        raise NumberTaken("session_id_seq is behind the numbers of sessions")
    return arrived


async def copy(connection: asyncpg.Connection, stage: str, rows: Iterable[Row]) -> None:
    """Rows into a stage and no further."""
    await connection.copy_records_to_table(
        stage, schema_name="pg_temp", columns=_COLUMNS[stage], records=rows
    )


async def empty(connection: asyncpg.Connection) -> None:
    """All stages, so that the same transaction may write once more."""
    await connection.execute("TRUNCATE " + ", ".join(_TABLES))
