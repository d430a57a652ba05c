"""The statements of enforcement: a node's, so each sees every tenant.  No rule is in here."""

from typing import Final

_SESSIONS: Final = """
SELECT s.id, s.tenant_id, s.nas_id, s.subscriber_id, s.class_nonce, s.mac,
       e.wanted, e.reason, e.applied, e.state
  FROM session AS s LEFT JOIN enforcement AS e ON e.session_id = s.id
"""
OF_SUBSCRIBERS: Final = (
    _SESSIONS + " WHERE s.subscriber_id = ANY ($1::bigint[]) AND s.stopped_at IS NULL"
)
OF_PROFILE: Final = (
    _SESSIONS
    + """
  JOIN entitlement AS t ON t.subscriber_id = s.subscriber_id
 WHERE t.tenant_id = $1 AND t.profile_id = $2 AND s.stopped_at IS NULL AND s.id > $3
 ORDER BY s.id LIMIT $4
"""
)
# Of silent ones nobody can tell whether they go on.
OPEN: Final = (
    _SESSIONS
    + """
 WHERE s.tenant_id = $1 AND s.stopped_at IS NULL AND s.silent_since IS NULL
   AND s.subscriber_id IS NOT NULL AND s.id > $2
 ORDER BY s.id LIMIT $3
"""
)
NEWER: Final = (
    _SESSIONS
    + """
 WHERE s.id > $1 AND s.stopped_at IS NULL AND s.subscriber_id IS NOT NULL
 ORDER BY s.id LIMIT $2
"""
)
ONE: Final = _SESSIONS + " WHERE s.tenant_id = $1 AND s.id = $2 AND s.stopped_at IS NULL"
STILL_THERE: Final = "SELECT id FROM subscriber WHERE id = ANY ($1::bigint[])"

WISH: Final = """
INSERT INTO enforcement AS e (session_id, tenant_id, nas_id, subscriber_id, wanted, service, reason,
                              profile, applied, applied_profile, rung, state, next_at)
SELECT session_id, tenant_id, nas_id, subscriber_id, wanted, service, reason, profile::jsonb,
       applied, applied_profile::jsonb, rung, $13, CASE WHEN $13 = 'due' THEN now() END
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
              $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
       AS n (session_id, tenant_id, nas_id, subscriber_id, wanted, service, reason, profile,
             applied, applied_profile, rung)
 ORDER BY session_id
    ON CONFLICT (session_id) DO UPDATE
   SET wanted = excluded.wanted, service = excluded.service, reason = excluded.reason,
       profile = excluded.profile, rung = excluded.rung, state = excluded.state, attempts = 0,
       cause = '', error_cause = NULL, version = e.version + 1, made_at = now(),
       next_at = excluded.next_at,
       applied = CASE WHEN $12 OR $14 THEN '' ELSE e.applied END,
       applied_profile = CASE WHEN $12 THEN NULL
                              WHEN $14 AND e.wanted <> excluded.wanted THEN e.profile
                              WHEN $14 THEN e.applied_profile
                              WHEN e.applied = '' THEN NULL
                              ELSE coalesce(e.applied_profile, excluded.applied_profile) END
"""
DUE_NASES: Final = """
SELECT DISTINCT nas_id FROM enforcement WHERE state = 'due' AND next_at <= now()
"""
DUE: Final = """
SELECT e.session_id, e.tenant_id, e.version, e.wanted, e.service, e.reason, e.profile::text,
       e.applied, e.applied_profile::text, e.rung, e.attempts, e.cause,
       s.id AS open_id, s.acct_session_id, s.username, host(s.framed_ip) AS framed_ip,
       CASE WHEN s.framed_ipv6 IS NULL THEN NULL WHEN masklen(s.framed_ipv6) = 128
            THEN host(s.framed_ipv6) ELSE s.framed_ipv6::text END AS framed_ipv6,
       s.delegated_ipv6::text, s.calling_station, s.nas_port, s.nas_port_id, s.multi_session_id,
       s.nas_identifier, s.nas_address, s.class_nonce, s.subscriber_id, s.last_seen_at,
       s.input_octets, s.output_octets,
       EXISTS (SELECT FROM session AS o
                WHERE o.tenant_id = s.tenant_id AND o.acct_session_id = s.acct_session_id
                  AND o.nas_id = s.nas_id AND o.nas_reported = s.nas_reported AND o.id > s.id
                  AND o.subscriber_id IS DISTINCT FROM s.subscriber_id AND o.stopped_at IS NULL
       ) AS is_reused
  FROM enforcement AS e
  LEFT JOIN session AS s ON s.id = e.session_id AND s.stopped_at IS NULL
 WHERE e.nas_id = $1 AND e.state = 'due' AND e.next_at <= now() AND e.session_id <> ALL ($2)
 ORDER BY e.next_at LIMIT $3
"""
# `wanted` and `profile` are those that were sent; a newer wish has others by now.
RESULT: Final = """
UPDATE enforcement AS e
   SET applied = CASE WHEN n.applies THEN n.wanted WHEN n.is_unclear THEN '' ELSE e.applied END,
       applied_profile = CASE WHEN n.applies THEN n.profile::jsonb WHEN n.is_unclear THEN NULL
                              ELSE e.applied_profile END,
       state = CASE WHEN e.version = n.version THEN n.state
                    WHEN n.applies AND e.state = 'done' THEN 'due' ELSE e.state END,
       rung = CASE WHEN e.version = n.version THEN n.rung ELSE e.rung END,
       attempts = CASE WHEN e.version = n.version THEN n.attempts ELSE e.attempts END,
       next_at = CASE WHEN e.version = n.version THEN now() + n.wait_s * interval '1 s'
                      WHEN n.applies AND e.state = 'done' THEN now() ELSE e.next_at END,
       cause = CASE WHEN e.version = n.version THEN n.cause ELSE e.cause END,
       error_cause = CASE WHEN e.version = n.version THEN n.error_cause ELSE e.error_cause END,
       target = n.target, request = n.request, rtt_s = n.rtt_s,
       told_at = CASE WHEN n.state IN ('told', 'stale') THEN now() ELSE e.told_at END,
       seen_at = n.seen_at, seen_input_octets = n.input_octets,
       seen_output_octets = n.output_octets, looks = 0
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::boolean[],
              $7::text[], $8::text[], $9::int[], $10::float8[], $11::text[], $12::int[],
              $13::text[], $14::text[], $15::float8[], $16::timestamptz[], $17::bigint[],
              $18::bigint[])
       AS n (session_id, version, wanted, profile, applies, is_unclear, state, rung, attempts,
             wait_s, cause, error_cause, target, request, rtt_s, seen_at, input_octets,
             output_octets)
 WHERE e.session_id = n.session_id
"""
FORGET: Final = "DELETE FROM enforcement WHERE session_id = ANY ($1::bigint[])"
# Over, or part of another session by now.
OVER: Final = """
DELETE FROM enforcement AS e
 WHERE (e.state <> 'done' OR $1) AND NOT EXISTS (
    SELECT FROM session AS s WHERE s.id = e.session_id AND s.stopped_at IS NULL
 )
RETURNING e.session_id, e.tenant_id, e.nas_id, e.service, e.state
"""
TOLD: Final = """
SELECT e.session_id, e.tenant_id, e.version, e.wanted, e.service, e.reason, e.profile::text,
       e.applied, e.applied_profile::text, e.rung, e.attempts, e.cause, e.nas_id, e.state,
       e.told_at, e.seen_at, e.seen_input_octets, e.seen_output_octets, e.looks,
       s.last_seen_at, s.input_octets, s.output_octets
  FROM enforcement AS e JOIN session AS s ON s.id = e.session_id
 WHERE e.state IN ('told', 'stale') AND s.stopped_at IS NULL AND s.last_seen_at > e.seen_at
   AND e.session_id > $1 ORDER BY e.session_id LIMIT $2
"""
JUDGED: Final = """
UPDATE enforcement AS e
   SET state = n.state, rung = n.rung, attempts = 0, cause = n.cause,
       applied = CASE WHEN n.is_unclear THEN '' ELSE e.applied END,
       applied_profile = CASE WHEN n.is_unclear THEN NULL ELSE e.applied_profile END,
       next_at = now() + n.wait_s * interval '1 s'
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::float8[],
              $7::boolean[])
       AS n (session_id, version, state, rung, cause, wait_s, is_unclear)
 WHERE e.session_id = n.session_id AND e.version = n.version AND e.state IN ('told', 'stale')
"""
LOOKED: Final = """
UPDATE enforcement AS e
   SET looks = e.looks + 1, seen_at = n.at, seen_input_octets = n.input_octets,
       seen_output_octets = n.output_octets
  FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[])
       AS n (session_id, version, at, input_octets, output_octets)
 WHERE e.session_id = n.session_id AND e.version = n.version AND e.state IN ('told', 'stale')
"""
# A box that was silent on every rung is tried again, and once whoever refused what we sent, when
# people have set up the NAS anew.
REVIVE: Final = """
UPDATE enforcement AS e
   SET state = 'due', attempts = 0, next_at = now(), made_at = now(),
       rung = CASE WHEN e.service = 'off' THEN 'disconnect' ELSE 'coa' END
  FROM session AS s
 WHERE s.id = e.session_id AND s.stopped_at IS NULL AND e.state IN ('waiting', 'stopped')
   AND (e.next_at <= now()
        OR EXISTS (SELECT FROM nas AS n WHERE n.id = e.nas_id AND n.updated_at > e.made_at)
        OR EXISTS (SELECT FROM nas_api AS a WHERE a.nas_id = e.nas_id AND a.updated_at > e.made_at))
RETURNING e.session_id
"""
DUE_BY_TIME: Final = """
SELECT e.subscriber_id FROM entitlement AS e
 WHERE e.valid_until > $1 AND e.valid_until <= $2
   AND EXISTS (SELECT FROM session AS s
                WHERE s.subscriber_id = e.subscriber_id AND s.stopped_at IS NULL)
 UNION
SELECT h.subscriber_id FROM hold AS h
 WHERE ((h.until > $1 AND h.until <= $2) OR (h.since > $1 AND h.since <= $2))
   AND EXISTS (SELECT FROM session AS s
                WHERE s.subscriber_id = h.subscriber_id AND s.stopped_at IS NULL)
"""
TENANTS: Final = "SELECT DISTINCT tenant_id FROM nas ORDER BY 1"
COUNTS: Final = "SELECT state, count(*) AS rows FROM enforcement GROUP BY state"
# Of those that nobody has tried yet, so that people see what they wait for.
NOTE: Final = """
UPDATE enforcement SET cause = $2 WHERE nas_id = $1 AND state = 'due' AND cause = ''
"""

# New sessions of those whose newest push out the oldest.  Ids are given before they are committed:
# whoever is missed is the pass's.
CROWDING: Final = """
SELECT DISTINCT s.subscriber_id FROM session AS s
  JOIN entitlement AS e ON e.subscriber_id = s.subscriber_id
  JOIN profile AS p ON p.id = e.profile_id AND p.at_limit = 'kick_oldest' AND p.session_limit > 0
 WHERE s.id > $1 AND s.stopped_at IS NULL
"""
NEWEST: Final = "SELECT coalesce(max(id), 0) AS id FROM session"
