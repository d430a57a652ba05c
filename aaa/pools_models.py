"""Tables of server-side pools: what operators describe, what nodes have, what they give."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aaa.models import EXACT
from core.db import Base

MOMENT = DateTime(timezone=True)


def _once(name: str) -> ExcludeConstraint:
    """Of a tenant, no address is in two of the rows."""
    return ExcludeConstraint(
        (text("int8range(tenant_id, tenant_id, '[]')"), "&&"),
        ("network", "&&"),
        using="gist",
        ops={"network": "inet_ops"},
        name=name,
    )


def _of_pool(ondelete: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"], ondelete=ondelete
    )


class Pool(Base):
    """Addresses that we give out ourselves (`aaa.pools_plan.PoolSpec`)."""

    __tablename__ = "pool"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("kind IN ('ipv4', 'ipv6_prefix', 'delegated_prefix')", name="kind"),
        CheckConstraint("lease_s > 0 AND hold_s > 0", name="times"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    name: Mapped[str] = mapped_column(EXACT)
    kind: Mapped[str] = mapped_column(Text)
    prefix_length: Mapped[int]  # of what one subscriber gets
    block_length: Mapped[int]  # of what one node takes; never changed
    exclude: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    lease_s: Mapped[int]
    hold_s: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now())


class PoolNetwork(Base):
    """A network of a pool.  Two pools of a tenant share no address."""

    __tablename__ = "pool_network"
    __table_args__ = (_of_pool("CASCADE"), _once("ex_pool_network_once"))

    pool_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    network: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)


class PoolBlock(Base):
    """Addresses that one node has for itself; what nobody has is in no row.

    `store` names the node's memory of what it gave, and how often it was told: if that is
    another, or older, the memory was lost, and until `quarantined_until` any address may be in
    use.  From `free_at` on another node may take it: this one has been gone for so long that it
    gives no more, and what it gave last has run out.
    """

    __tablename__ = "pool_block"
    __table_args__ = (_of_pool("RESTRICT"), _once("ex_pool_block_once"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    pool_id: Mapped[int] = mapped_column(BigInteger, index=True)
    network: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR)
    node: Mapped[str] = mapped_column(Text, index=True)
    store: Mapped[str] = mapped_column(Text)
    taken_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now())
    free_at: Mapped[datetime] = mapped_column(MOMENT)
    quarantined_until: Mapped[datetime | None] = mapped_column(MOMENT)


class PoolNode(Base):
    """How much a node has left of a pool, so that others know who is in need."""

    __tablename__ = "pool_node"
    __table_args__ = (_of_pool("CASCADE"),)

    pool_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    node: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    free: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(MOMENT)


class PoolLease(Base):
    """Who has an address, as its node told a moment ago: one row an address, whoever gives it.

    Without a subscriber it is held because its node lost its memory.  `ended_at`: its session's
    Stop came to some other node.
    """

    __tablename__ = "pool_lease"
    __table_args__ = (
        ForeignKeyConstraint(["block_id"], ["pool_block.id"], ondelete="CASCADE"),
        Index("ix_pool_lease_ended", "node", postgresql_where=text("ended_at IS NOT NULL")),
    )

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    address: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR, primary_key=True)
    pool_id: Mapped[int] = mapped_column(BigInteger, index=True)
    block_id: Mapped[int] = mapped_column(BigInteger, index=True)
    node: Mapped[str] = mapped_column(Text)
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    class_nonce: Mapped[str] = mapped_column(Text, index=True)
    given_at: Mapped[datetime | None] = mapped_column(MOMENT)
    until_at: Mapped[datetime] = mapped_column(MOMENT)
    ended_at: Mapped[datetime | None] = mapped_column(MOMENT)
