"""The change table: what a node must read again, written in the transaction of the change.

Triggers write it (the migrations make them), so a change by plain SQL counts as well; of
sessions, which change with each record, ingest tells what matters (`noting`).  A row
names a thing and not its new state: applying it means reading the thing again, which may
be done twice.  `xid` is the transaction that wrote it: transactions become visible in
another order than they began, so a node may forget only what is older than every
transaction still running (``pg_snapshot_xmin(pg_current_snapshot())``).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Text, func, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from core.db import Base, Tx

CHANNEL = "turnpike_change"
"""NOTIFY channel; the payload is empty, the change table says the rest."""


class Xid8(UserDefinedType[int]):
    """PostgreSQL's transaction number that never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # so that the comparison of models and schema can read it back


class Change(Base):
    """Thing `entity_id` of `kind` is no longer what it was: changed, new or gone.

    'subscriber' covers credential, entitlement, holds and NAS bindings; a profile's change
    is one row, whoever has the profile.
    """

    __tablename__ = "change"
    __table_args__ = (
        CheckConstraint("kind IN ('tenant', 'nas', 'profile', 'subscriber')", name="kind"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    entity_id: Mapped[int] = mapped_column(BigInteger)
    xid: Mapped[int] = mapped_column(Xid8, server_default=func.pg_current_xact_id(), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ChangeFloor(Base):
    """One row: changes with a lower `xid` may be missing; a mark below it means a rebuild."""

    __tablename__ = "change_floor"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    pruned_below: Mapped[int] = mapped_column(Xid8, server_default=text("'0'"))


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """What must stay the same for a node's mark to mean anything.

    A restore, a promotion or another server changes it, and the node rebuilds.
    `system_identifier` is 0 where the schema's owner may not ask for it (some hosted
    services); the other two then carry the check.
    """

    system_identifier: int
    timeline: int
    database_oid: int


async def cluster_identity(tx: Tx) -> ClusterIdentity:
    """Of the server that `tx` is open on."""
    row = (await tx.execute(text("SELECT * FROM turnpike_cluster_identity()"))).one()
    return ClusterIdentity(row.system_identifier, row.timeline, row.database_oid)


async def prune(tx: Tx, older_than: datetime) -> int:
    """Forget changes written before `older_than` and return how many; a node's transaction.

    Changes that a running transaction may yet overtake are kept, however old.
    """
    count: int = (
        await tx.execute(text("SELECT turnpike_prune_changes(:before)"), {"before": older_than})
    ).scalar_one()
    return count


def note_changes(table: str, kind: str, *, entity: str, tenant: str = "tenant_id") -> list[str]:
    """The statements after which `table` writes its changes down, once a statement.

    `entity` and `tenant` are the columns with the ids of the thing and its tenant.
    Migrations that have been released call this: to change the rule, add a function beside it.
    """
    function = f"turnpike_note_{table}"
    # Names in migrations, not input: nothing here comes from outside.
    changed = f"SELECT {tenant}, '{kind}', {entity} FROM changed"  # noqa: S608  see above
    event = f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    return [
        # The owner's rights write the change; those who may change the table may not.
        f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                INSERT INTO public.change (tenant_id, kind, entity_id)
                {changed} UNION SELECT {tenant}, '{kind}', {entity} FROM changed_to;
            ELSE
                INSERT INTO public.change (tenant_id, kind, entity_id)
                {changed} GROUP BY {tenant}, {entity};
            END IF;
            IF FOUND THEN
                PERFORM pg_notify('{CHANNEL}', '');
            END IF;
            RETURN NULL;
        END $$""",  # noqa: S608  see above
        f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC",
        f"CREATE TRIGGER note_insert AFTER INSERT ON {table}"
        f" REFERENCING NEW TABLE AS changed {event}",
        f"CREATE TRIGGER note_update AFTER UPDATE ON {table}"
        f" REFERENCING OLD TABLE AS changed NEW TABLE AS changed_to {event}",
        f"CREATE TRIGGER note_delete AFTER DELETE ON {table}"
        f" REFERENCING OLD TABLE AS changed {event}",
    ]


def noting(things: str) -> str:
    """The statement that writes down a change of each (tenant_id, kind, entity_id) that the
    query `things` finds, and wakes the nodes if there was one: for what no trigger tells."""
    return f"""
WITH noted AS (INSERT INTO change (tenant_id, kind, entity_id) {things} RETURNING id)
SELECT pg_notify('{CHANNEL}', '') FROM (SELECT FROM noted LIMIT 1) AS told
"""  # noqa: S608 - the query is a constant of ours


def refuse_truncate(*tables: str) -> list[str]:
    """The statements after which `tables` refuse TRUNCATE, which would leave no change behind."""
    return [
        """CREATE FUNCTION turnpike_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'TRUNCATE of % would go unnoticed by the nodes: use DELETE',
                TG_TABLE_NAME;
        END $$""",
        *(
            f"CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse_truncate()"
            for table in tables
        ),
    ]
