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
        INSERT INTO subscriber_nas (subscriber_id, tenant_id, nas_id)
            VALUES ({subscriber_id}, {tenant_id}, {nas_id});
        INSERT INTO decision (tenant_id, decision_uid, at, outcome)
            VALUES ({tenant_id}, 'uid-{octet}', now(), 'accept');
        """
    )
    return tenant_id
