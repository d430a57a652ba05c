"""From tables to directory records: the one place that knows both.

The replicator reads many at once, `explain` reads one; both get what a login would see.
Plain SQL over asyncpg, because a first fill reads millions of rows.
"""

import json
from collections.abc import Iterable, Iterator

import asyncpg
import structlog
from msgspec.structs import replace

from aaa import on_nas, ways
from aaa.device import device_of
from aaa.extra_attributes import is_allowed
from aaa.on_nas import OnNas
from aaa.places import LiveSession
from aaa.policy import FOREVER, Hold
from aaa.records import (
    NasRecord,
    Personal,
    ProfileRecord,
    Quota,
    ServerPool,
    SubscriberRecord,
    Used,
)
from core.octets import from_text
from core.radius.codec import encode_named
from core.radius.codec_error import CodecError
from dictionaries.definitions import Dictionary

log = structlog.get_logger()


def _end_s(column: str) -> str:
    """The SQL for a moment in Unix seconds at which something ends; NULL: never.

    PostgreSQL knows moments before and after all others.  0 would mean never here, so what
    ended in 1970 ended a second later.
    """
    return (
        f"CASE WHEN {column} = 'infinity' THEN NULL WHEN {column} = '-infinity' THEN 1"
        f" ELSE GREATEST(ceil(extract(epoch FROM {column}))::bigint,"
        f" CASE WHEN {column} IS NOT NULL THEN 1 END) END"
    )


_UINT32_MAX = 2**32 - 1
_NEVER_YET_S = 2**53 - 1

# `ProfileRecord.counts_sessions` of the profile `p`.
COUNTS_SESSIONS = """(p.session_limit > 0 OR (p.at_quota <> 'nothing'
               AND (p.quota_octets IS NOT NULL OR p.quota_time_s IS NOT NULL)))"""

# With as many and no more, a record stays small however many sessions a NAS leaves open.
_SESSIONS_BEYOND_THE_LIMIT = 64

_SUBSCRIBER = f"""
SELECT s.id, s.tenant_id, s.username, e.profile_id, c.sealed, s.bind_mac,
       s.access, s.line_nas_id, s.line, s.circuit_id, s.remote_id, s.onu_serial, s.duid, s.mac,
       {_end_s("e.valid_until")} AS valid_until_s,
       host(s.static_ipv4) AS static_ipv4, s.static_ipv6_prefix::text, s.delegated_ipv6::text,
       NULLIF(s.reply, '{{}}')::text AS reply,
       ARRAY(SELECT nas_id FROM subscriber_nas n WHERE n.subscriber_id = s.id ORDER BY nas_id)
           AS nas_ids,
       (SELECT json_agg(json_build_array(h.source, h.effect,
                   CASE h.since WHEN 'infinity' THEN {_NEVER_YET_S} WHEN '-infinity' THEN 0
                        ELSE floor(extract(epoch FROM h.since))::bigint END,
                   {_end_s("h.until")})
               ORDER BY h.id)::text
          FROM hold h WHERE h.subscriber_id = s.id) AS holds,
       q.subscriber_id IS NOT NULL AS has_used, {_end_s("q.window_ends_at")} AS window_ends_s,
       q.octets AS used_octets, q.time_s AS used_s,
       CASE WHEN {COUNTS_SESSIONS} THEN
           (SELECT json_agg(json_build_array(o.id, o.class_nonce, o.acct_session_id, o.nas_id,
                       o.calling_station, o.nas_port_id, o.nas_port, o.multi_session_id,
                       CASE WHEN isfinite(o.last_seen_at)
                            THEN floor(extract(epoch FROM o.last_seen_at))::bigint ELSE 0 END)
                   ORDER BY o.id)::text
              FROM (SELECT * FROM session WHERE subscriber_id = s.id AND stopped_at IS NULL
                       AND silent_since IS NULL  -- nobody can tell of it: not counted
                     ORDER BY id DESC LIMIT p.session_limit + {_SESSIONS_BEYOND_THE_LIMIT}) AS o)
       END AS sessions
  FROM subscriber s
  LEFT JOIN credential c ON c.subscriber_id = s.id
  LEFT JOIN entitlement e ON e.subscriber_id = s.id
  LEFT JOIN profile p ON p.id = e.profile_id
  LEFT JOIN quota_state q ON q.subscriber_id = s.id
"""  # noqa: S608 - nothing here comes from outside
SUBSCRIBERS_BY_ID = _SUBSCRIBER + " WHERE s.id = ANY($1::bigint[])"
SUBSCRIBERS_AFTER = _SUBSCRIBER + " WHERE s.id > $1 ORDER BY s.id LIMIT $2"
SUBSCRIBER_BY_NAME = _SUBSCRIBER + " WHERE s.tenant_id = $1 AND s.username = $2"
# Whose records lack the sessions that a profile counts from now on.
SUBSCRIBERS_ONLINE_BY_PROFILE = """
SELECT DISTINCT e.subscriber_id
  FROM unnest($1::bigint[], $2::bigint[]) AS p (tenant_id, id)
  JOIN entitlement e ON e.tenant_id = p.tenant_id AND e.profile_id = p.id
  JOIN session o ON o.subscriber_id = e.subscriber_id AND o.stopped_at IS NULL
"""
NASES = """
SELECT n.id, n.tenant_id, n.name, n.address::text, n.identifier, n.secret_sealed, n.vendor,
       n.require_message_authenticator, n.line_patterns::text, n.name_templates::text,
       coalesce(p.id, 0)
  FROM nas n
  LEFT JOIN profile p ON p.tenant_id = n.tenant_id AND p.code = n.unknown_devices
"""
PROFILES = """
SELECT id, tenant_id, code, download_bps, upload_bps, burst_download_bps, burst_upload_bps,
       burst_threshold_bps, burst_time_s, session_limit, at_limit, session_timeout_s, interim_s,
       address_pool,
       quota_octets, quota_time_s, quota_direction, at_quota, fup_download_bps, fup_upload_bps,
       jsonb_path_exists(zones, '$[*] ? (!(@.weight_hundredths == 100))') AS is_weighed,
       CASE WHEN coalesce(ipv4_pool_id, ipv6_pool_id, delegated_pool_id) IS NOT NULL THEN
           (SELECT json_agg(json_build_array(o.id, o.kind, o.name) ORDER BY o.kind)::text
              FROM pool o
             WHERE o.tenant_id = profile.tenant_id
               AND o.id IN (ipv4_pool_id, ipv6_pool_id, delegated_pool_id)) END AS pools,
       NULLIF(on_nas, '{}')::text AS on_nas
  FROM profile
"""


def nas_of(row: asyncpg.Record) -> NasRecord:
    *plain, patterns, templates, unknown_profile_id = row
    return NasRecord(*(*plain, _texts(patterns), _texts(templates), unknown_profile_id))


def profile_of(row: asyncpg.Record) -> ProfileRecord:
    *plain, octets, time_s, direction, at, fup_down, fup_up, is_weighed, pools, said = row
    profile = ProfileRecord(*plain)
    if said:
        profile = replace(profile, on_nas=_on_nas(said, profile))
    if pools:
        profile = replace(profile, pools=tuple(ServerPool(*one) for one in json.loads(pools)))
    if octets is None and time_s is None:
        return profile
    quota = Quota(octets, time_s, direction, at, fup_down, fup_up, is_weighed)
    return replace(profile, quota=quota)


def _texts(said: str) -> dict[str, str]:
    """What operators wrote of a NAS; plain SQL may have put anything there."""
    found = json.loads(said)
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _on_nas(said: str, profile: ProfileRecord) -> OnNas:
    try:
        return on_nas.restored(json.loads(said))
    except ValueError as error:  # `apply` lets none in; plain SQL may
        log.warning("plan_on_nas_unreadable", plan=profile.code, error=str(error))
        return on_nas.NOTHING


def subscriber_of(row: asyncpg.Record, dictionary: Dictionary) -> SubscriberRecord:
    """The record of one row of `_SUBSCRIBER`."""
    personal = None
    if row["static_ipv4"] or row["static_ipv6_prefix"] or row["delegated_ipv6"] or row["reply"]:
        personal = Personal(
            row["static_ipv4"],
            row["static_ipv6_prefix"],
            row["delegated_ipv6"],
            _reply_octets(row, dictionary) if row["reply"] else b"",
        )
    return SubscriberRecord(
        id=row["id"],
        profile_id=row["profile_id"] or 0,
        credential_sealed=row["sealed"] or b"",
        valid_until_s=row["valid_until_s"] or FOREVER,
        holds=tuple(_holds(row["holds"])) if row["holds"] else (),
        bound_nas_ids=tuple(row["nas_ids"]),
        bound_macs=tuple(row["bind_mac"]),
        personal=personal,
        sessions=tuple(_sessions(row["sessions"])) if row["sessions"] else (),
        quota=Used(row["window_ends_s"] or FOREVER, row["used_octets"], row["used_s"])
        if row["has_used"]
        else None,
        ways=()
        if row["access"] == ways.PPPOE
        else ways.of_access(
            row["access"], row["line_nas_id"] or ways.ANY_NAS, tuple(map(row.get, ways.FIELDS))
        ),
    )


def reply_of(row: asyncpg.Record, dictionary: Dictionary) -> Iterator[tuple[str, str | int, bytes]]:
    """Name, value and octets of each of a subscriber's extra attributes; a list means several.

    `apply` refuses what is left out here; whoever writes SQL should see why it has no effect.
    """
    reply = json.loads(row["reply"] or "{}")
    if not isinstance(reply, dict):  # the column takes any JSON from who writes SQL
        log.warning("reply_ignored", subscriber=row["id"])
        return
    for name, values in reply.items():
        for one in values if isinstance(values, list) else [values]:
            value = one if isinstance(one, int | str) else str(one)
            try:
                octets = encode_named(dictionary, name, value)
            except CodecError as error:
                log.warning("reply_attribute_ignored", subscriber=row["id"], error=str(error))
                continue
            if not is_allowed(octets):
                error_told = f"{name} is set from elsewhere, or has no place in an Access-Accept"
                log.warning("reply_attribute_ignored", subscriber=row["id"], error=error_told)
                continue
            yield name, value, octets


def _reply_octets(row: asyncpg.Record, dictionary: Dictionary) -> bytes:
    return b"".join([octets for _, _, octets in reply_of(row, dictionary)])


def _holds(text: str) -> Iterable[Hold]:
    for source, effect, since_s, until_s in json.loads(text):
        yield Hold(source, effect, since_s or 0, until_s or FOREVER)


def _sessions(text: str) -> Iterable[LiveSession]:
    for (
        number, nonce, acct_session_id, nas_id, calling, port_name, port, multi_session, seen_s,
    ) in json.loads(text):  # fmt: skip
        yield LiveSession(
            number,
            nonce.encode(),
            acct_session_id,
            device_of(
                nas_id,
                from_text(calling),
                from_text(port_name),
                b"" if port is None else (port & _UINT32_MAX).to_bytes(4, "big"),
            ),
            multi_session,
            seen_s,
        )
