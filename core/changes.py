"""The change table: what a node must read again, written in the transaction of the change.

Triggers write it (the migrations make them), so a change by plain SQL counts as well.  A
row names a thing and not its new state: applying it means reading the thing again, which
may be done twice.  `xid` is the transaction that wrote it: transactions become visible in
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
    __table_args__ = (CheckConstraint("only", name="only"),)

    only: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
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
