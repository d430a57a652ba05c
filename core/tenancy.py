"""Tenants: who shares this installation, and the row-level security that keeps them apart.

The policies compare `tenant_id` with the setting that `core.db` makes in each transaction.
Without the setting nothing is equal to it, so a forgotten scope shows an empty database
and never somebody else's.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Text, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from core.db import APP_ROLE, NODE_ROLE, TENANT_SETTING, Base, Tx
from core.errors import Conflict


class Tenant(Base):
    """An ISP (or a reseller) whose rows no other may see."""

    __tablename__ = "tenant"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(Text(collation="C"), unique=True)
    name: Mapped[str] = mapped_column(Text)
    # Where its days and months begin; a name of the IANA database.
    timezone: Mapped[str] = mapped_column(Text, server_default="UTC")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


@dataclass(frozen=True, slots=True)
class Known:
    """A tenant as the lobby shows it."""

    id: int
    code: str
    name: str


async def known(tx: Tx) -> list[Known]:
    """Every tenant, by code.  Works in the lobby, where no row of theirs can be seen."""
    rows = await tx.execute(text("SELECT id, code, name FROM turnpike_tenants() ORDER BY code"))
    return [Known(row.id, row.code, row.name) for row in rows]


async def find(tx: Tx, code: str) -> int | None:
    """The id of the tenant with exactly this code.  Works in the lobby."""
    found: int | None = await tx.scalar(
        text("SELECT id FROM turnpike_tenants() WHERE code = :code"), {"code": code}
    )
    return found


async def found(tx: Tx, code: str, name: str) -> int:
    """Make a tenant and return its id.  Works in the lobby; `core.db.enter` goes in.

    Raises:
        Conflict: the code is taken.
    """
    tenant_id: int | None = await tx.scalar(
        text("SELECT turnpike_found_tenant(:code, :name)"), {"code": code, "name": name}
    )
    if tenant_id is None:
        raise Conflict(f"there is already a tenant {code}")
    return tenant_id


async def put_timezone(tx: Tx, tenant_id: int, timezone: str) -> str | None:
    """Have the tenant's days begin as they do there; return where they did, None if the same.

    Works in the tenant, and takes a name of the IANA database.
    """
    before: str = (
        await tx.execute(select(Tenant.timezone).where(Tenant.id == tenant_id))
    ).scalar_one()
    if before == timezone:
        return None
    await tx.execute(update(Tenant).where(Tenant.id == tenant_id).values(timezone=timezone))
    return before


def roles() -> list[str]:
    """The statements that make both roles, if missing, and let the schema's owner take them.

    Roles belong to the whole cluster: another database's migration may make them at the
    same moment, and whoever comes second goes on with what is there.
    """
    return [
        f"""DO $$
        DECLARE
            wanted text;
            may_take text := CASE WHEN current_setting('server_version_num')::int >= 160000
                             THEN 'SET' ELSE 'MEMBER' END;
        BEGIN
            FOREACH wanted IN ARRAY ARRAY['{APP_ROLE}', '{NODE_ROLE}'] LOOP
                BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                    END IF;
                EXCEPTION
                    WHEN duplicate_object OR unique_violation THEN NULL;
                    WHEN insufficient_privilege THEN
                        RAISE insufficient_privilege USING MESSAGE = format(
                            '%1$I may not make the role %2$I: let an administrator run '
                            'CREATE ROLE %2$I NOLOGIN; GRANT %2$I TO %1$I', current_user, wanted);
                END;
                BEGIN
                    IF NOT pg_has_role(current_user, wanted, may_take) THEN
                        EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
                    END IF;
                EXCEPTION
                    WHEN internal_error OR unique_violation THEN NULL;  -- granted meanwhile
                    WHEN insufficient_privilege THEN
                        RAISE insufficient_privilege USING MESSAGE = format(
                            '%1$I may not act as the role %2$I: let an administrator run '
                            'GRANT %2$I TO %1$I', current_user, wanted);
                END;
            END LOOP;
        END $$"""
    ]


def protect(
    table: str, *, app: str = "", node: str = "", tenant_column: str = "tenant_id"
) -> list[str]:
    """The statements that put `table` under row-level security and grant what each role may.

    `app` and `node` list privileges ("SELECT, INSERT"); empty grants nothing.  Migrations
    that have been released call this: to change the rule, add a function beside it.
    """
    scope = f"NULLIF(current_setting('{TENANT_SETTING}', true), '')::bigint"
    statements = [f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"]
    if app:
        statements += [
            f"CREATE POLICY tenant_scope ON {table} TO {APP_ROLE}"
            f" USING ({tenant_column} = (SELECT {scope}))",
            f"GRANT {app} ON {table} TO {APP_ROLE}",
        ]
    if node:
        statements += [
            f"CREATE POLICY node_all ON {table} TO {NODE_ROLE} USING (true)",
            f"GRANT {node} ON {table} TO {NODE_ROLE}",
        ]
    return statements
