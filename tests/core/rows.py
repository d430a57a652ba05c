"""A row in every table for one tenant, by plain SQL as the schema's owner."""

import asyncpg

from core.db import connect


async def one_of_each(url: str, tenant_code: str, octet: int) -> int:
    """Make the tenant if missing, give it a row in every table, and return its id.

    `octet` keeps what must be unique over all tenants apart.
    """
    owner = await connect(url, None)
    try:
        async with owner.transaction():
            return await _insert(owner, tenant_code, octet)
    finally:
        await owner.close()


async def _insert(owner: asyncpg.Connection, code: str, octet: int) -> int:
    tenant_id: int = await owner.fetchval(
        "INSERT INTO tenant (code, name) VALUES ($1, $1)"
        " ON CONFLICT (code) DO UPDATE SET name = $1 RETURNING id",
        code,
    )
    nas_id = await owner.fetchval(
        "INSERT INTO nas (tenant_id, name, address, secret_sealed)"
        " VALUES ($1, 'bras-1', $2, 'x') RETURNING id",
        tenant_id,
        f"192.0.2.{octet}/32",
    )
    profile_id = await owner.fetchval(
        "INSERT INTO profile (tenant_id, code) VALUES ($1, 'home-50') RETURNING id", tenant_id
    )
    subscriber_id = await owner.fetchval(
        "INSERT INTO subscriber (tenant_id, username) VALUES ($1, 'alice') RETURNING id", tenant_id
    )
    await owner.execute(
        f"""
        INSERT INTO credential (subscriber_id, tenant_id, sealed)
            VALUES ({subscriber_id}, {tenant_id}, 'x');
        INSERT INTO entitlement (subscriber_id, tenant_id, profile_id)
            VALUES ({subscriber_id}, {tenant_id}, {profile_id});
        INSERT INTO hold (subscriber_id, tenant_id, source)
            VALUES ({subscriber_id}, {tenant_id}, 'staff');
        INSERT INTO quota_usage (subscriber_id, tenant_id, starts_at, rule, octets, time_s)
            VALUES ({subscriber_id}, {tenant_id}, now(), '', 1, 1);
        INSERT INTO quota_crossing (subscriber_id, tenant_id, window_starts_at, threshold,
                crossed_at)
            VALUES ({subscriber_id}, {tenant_id}, now(), 100, now());
        INSERT INTO quota_uncounted (subscriber_id, tenant_id)
            VALUES ({subscriber_id}, {tenant_id});
        INSERT INTO quota_state (subscriber_id, tenant_id) VALUES ({subscriber_id}, {tenant_id});
        WITH made AS (INSERT INTO pool (tenant_id, name, kind, prefix_length, block_length,
                lease_s, hold_s)
            VALUES ({tenant_id}, 'home', 'ipv4', 32, 28, 60, 60) RETURNING id),
        network AS (INSERT INTO pool_network (pool_id, network, tenant_id)
            SELECT id, '10.0.0.0/24', {tenant_id} FROM made),
        node AS (INSERT INTO pool_node (pool_id, node, tenant_id, free, seen_at)
            SELECT id, 'a', {tenant_id}, 1, now() FROM made)
        INSERT INTO pool_block (tenant_id, pool_id, network, node, store, free_at)
            SELECT {tenant_id}, id, '10.0.0.0/28', 'a', '', now() FROM made;
        INSERT INTO pool_lease (tenant_id, address, pool_id, block_id, node, class_nonce, until_at)
            SELECT tenant_id, '10.0.0.1/32', pool_id, id, 'a', '', now() FROM pool_block
             WHERE tenant_id = {tenant_id};
        INSERT INTO nas_api (nas_id, way, tenant_id, kind, secrets_sealed)
            VALUES ({nas_id}, 'snmp', {tenant_id}, '2c', 'x');
        INSERT INTO subscriber_nas (subscriber_id, tenant_id, nas_id)
            VALUES ({subscriber_id}, {tenant_id}, {nas_id});
        INSERT INTO decision (tenant_id, decision_uid, at, outcome)
            VALUES ({tenant_id}, 'uid-{octet}', now(), 'accept');
        INSERT INTO accounting_record
                (tenant_id, received_at, nas_id, source, segment, seq, packet)
            VALUES ({tenant_id}, now(), {nas_id}, '', gen_random_uuid(), 1, 'x');
        INSERT INTO session_group (key, tenant_id, sessions, state, abouts)
            VALUES ('key-{octet}', {tenant_id}, '', '', '');
        INSERT INTO nas_day (tenant_id, nas_id, day)
            VALUES ({tenant_id}, {nas_id}, '2026-01-01');
        INSERT INTO enforcement (session_id, tenant_id, nas_id, wanted, service, rung)
            VALUES ({octet}, {tenant_id}, {nas_id}, '', 'plan', 'coa');
        INSERT INTO nas_heard (tenant_id, nas_id, node, since_at, until_at)
            VALUES ({tenant_id}, {nas_id}, 'a', now(), now());
        INSERT INTO session_history (key, number, tenant_id, points)
            VALUES ('key-{octet}', 0, {tenant_id}, '');
        INSERT INTO nas_mark (tenant_id, nas_id, nas_reported, at_s, kind, received_at)
            VALUES ({tenant_id}, {nas_id}, '', 0, 7, now());
        INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,
                generation, username, calling_station, mac, circuit_id, nas_identifier,
                nas_address, nas_port_id, multi_session_id, started_at, last_seen_at,
                terminate_cause, closed_by, session_time_s, input_octets, output_octets,
                confidence)
            VALUES ({tenant_id}, {nas_id}, '', '1', '', 0, 'alice', '', '', '', '', '', '', '',
                now(), now(), 0, '', 0, 0, 0, 0);
        INSERT INTO usage (tenant_id, session_id, begins_at, input_octets, output_octets,
                session_time_s, confidence)
            VALUES ({tenant_id}, 1, now(), 1, 1, 1, 0);
        INSERT INTO usage_day (tenant_id, subscriber_id, day, confidence, input_octets,
                output_octets, session_time_s)
            VALUES ({tenant_id}, {subscriber_id}, '2026-01-01', 0, 1, 1, 1);
        INSERT INTO usage_summed (tenant_id, zone, up_to, settled_at)
            VALUES ({tenant_id}, 'UTC', 0, now());
        INSERT INTO dead_letter (tenant_id, received_at, nas_id, source, packet, reason, segment,
                seq)
            VALUES ({tenant_id}, now(), {nas_id}, '', 'x', 'status-type', gen_random_uuid(), 1);
        """
    )
    return tenant_id
