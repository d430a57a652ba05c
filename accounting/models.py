"""Tables of accounting: what NASes reported, the sessions it adds up to, and the usage by quarter.

Nodes write them, people read them.  Nothing here refers to a tenant, a NAS or a
subscriber by key: a row tells what was true when the packet came, also of what is gone,
and a record that has been acknowledged is never refused for a missing row.
"""

from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base

EXACT = Text(collation="C")  # names are compared octet by octet
MOMENT = DateTime(timezone=True)

# Of usage: written long after it happened, by a NAS that was cut off or reports seldom.
LATE = "recorded_at - begins_at > '02:00:00'::interval"

# Every packet as it came, a partition a day (`accounting.partitions`).  No mapped class:
# it has no key, since the position in the spool already lets each record in only once.
ACCOUNTING_RECORD = Table(
    "accounting_record",
    Base.metadata,
    Column("tenant_id", BigInteger, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("nas_id", BigInteger, nullable=False),
    Column("source", Text, nullable=False),  # address and port that it came from
    # The session it was counted to when it came; NULL for a NAS's own records.
    Column("session_id", BigInteger),
    Column("segment", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("packet", LargeBinary, nullable=False),
    Column("counted_as", BigInteger),  # `accounting.counted_as`
    Index(None, "received_at", postgresql_using="brin"),
    Index(None, "session_id"),
    postgresql_partition_by="RANGE (received_at)",
)


class SessionGroup(Base):
    """What the rules remember of all sessions that share a key (`accounting.identity`).

    `key` is the digest of that key, so that one short index finds and orders it; the key
    itself is in the sessions' rows.
    """

    __tablename__ = "session_group"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    sessions: Mapped[bytes]  # for each generation: session id and subscriber id, 8 octets each
    state: Mapped[bytes]  # these two: `accounting.groups`
    abouts: Mapped[bytes]
    updated_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now())


class SessionHistory(Base):
    """Points of a group that are too old to be read with each of its records."""

    __tablename__ = "session_history"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[bytes]
    sealed_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now(), index=True)


class NasMark(Base):
    """An Accounting-On or -Off, kept for the records of before it that are still to come."""

    __tablename__ = "nas_mark"

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nas_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nas_reported: Mapped[str] = mapped_column(EXACT, primary_key=True)
    at_s: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    received_at: Mapped[datetime] = mapped_column(MOMENT)


class Session(Base):
    """One session: a projection of its packets, and never the place where usage is counted.

    Indexed is what seldom changes: an Interim must touch no index (a HOT update), so
    neither `last_seen_at` nor a counter is in one, and lists are newest first by `id`.
    """

    __tablename__ = "session"
    __table_args__ = (
        # Begins so that it serves the search by Acct-Session-Id as well.
        UniqueConstraint(
            "tenant_id",
            "acct_session_id",
            "nas_id",
            "nas_reported",
            "class_nonce",
            "generation",
            name="uq_session_identity",
        ),
        Index(None, "tenant_id", "id"),
        Index(None, "tenant_id", "username", "id"),
        Index(None, "tenant_id", "nas_id", "id"),
        Index(
            None,
            "tenant_id",
            "subscriber_id",
            "id",
            postgresql_where=text("subscriber_id IS NOT NULL"),
        ),
        Index(
            "ix_session_open",
            "tenant_id",
            "nas_id",
            "id",
            postgresql_where=text("stopped_at IS NULL"),
        ),
        # In order of id over all NASes: the last page of those that are open would else read
        # all that are not.
        Index(
            "ix_session_open_newest",
            "tenant_id",
            "id",
            postgresql_where=text("stopped_at IS NULL"),
        ),
        Index(
            "ix_session_open_device",
            "nas_id",
            "calling_station",
            postgresql_where=text("stopped_at IS NULL AND calling_station <> ''"),
        ),
        Index("ix_session_silent", "id", postgresql_where=text("silent_since IS NOT NULL")),
        Index(
            "ix_session_open_subscriber",
            "subscriber_id",
            postgresql_where=text("stopped_at IS NULL AND subscriber_id IS NOT NULL"),
        ),
        Index(
            None,
            "tenant_id",
            "framed_ip",
            "started_at",
            postgresql_where=text("framed_ip IS NOT NULL"),
        ),
        Index(
            None,
            "tenant_id",
            "framed_ipv6",
            "started_at",
            postgresql_where=text("framed_ipv6 IS NOT NULL"),
        ),
        Index(
            None,
            "tenant_id",
            "delegated_ipv6",
            "started_at",
            postgresql_where=text("delegated_ipv6 IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    nas_id: Mapped[int] = mapped_column(BigInteger)
    nas_reported: Mapped[str] = mapped_column(EXACT)
    acct_session_id: Mapped[str] = mapped_column(EXACT)
    class_nonce: Mapped[str] = mapped_column(EXACT)
    generation: Mapped[int]
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    username: Mapped[str] = mapped_column(EXACT)  # escaped text, as all names here
    calling_station: Mapped[str] = mapped_column(EXACT)
    mac: Mapped[str] = mapped_column(EXACT)
    circuit_id: Mapped[str] = mapped_column(Text)
    nas_identifier: Mapped[str] = mapped_column(Text)
    nas_address: Mapped[str] = mapped_column(Text)  # as the NAS names itself
    nas_port: Mapped[int | None] = mapped_column(BigInteger)
    nas_port_id: Mapped[str] = mapped_column(Text)
    framed_ip: Mapped[IPv4Address | None] = mapped_column(INET)
    framed_ipv6: Mapped[IPv6Address | IPv6Network | None] = mapped_column(INET)
    delegated_ipv6: Mapped[IPv4Network | IPv6Network | None] = mapped_column(INET)
    multi_session_id: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(MOMENT)
    last_seen_at: Mapped[datetime] = mapped_column(MOMENT)
    stopped_at: Mapped[datetime | None] = mapped_column(MOMENT)
    terminate_cause: Mapped[int] = mapped_column(BigInteger)  # RFC 2866 §5.10; 0: none
    closed_by: Mapped[str] = mapped_column(Text)
    session_time_s: Mapped[int] = mapped_column(BigInteger)
    # The rules cap a counter at 2^62: it always fits.
    input_octets: Mapped[int] = mapped_column(BigInteger)
    output_octets: Mapped[int] = mapped_column(BigInteger)
    confidence: Mapped[int] = mapped_column(SmallInteger)  # the worst; `accounting.counters`
    interval_s: Mapped[int] = mapped_column(server_default="0")  # between its last two reports
    # Since when nobody can tell whether it goes on; NULL: it is heard of (domain.md §6).
    silent_since: Mapped[datetime | None] = mapped_column(MOMENT)


class UsageQuarter(Base):
    """Octets and seconds of a session in a quarter of an hour: signed, only ever added to.

    What a subscriber used is the sum.  A long silence is cut at full hours (`accounting.usage`);
    such a row says where it begins, as do those from when a bucket was an hour.  What has been
    billed stays as billed; what comes to light later is another row.
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index(
            None,
            "tenant_id",
            "subscriber_id",
            "begins_at",
            postgresql_where=text("subscriber_id IS NOT NULL"),
        ),
        # What came so late that the end of the other does not have it (`usage_report`).
        Index(
            "ix_usage_late",
            "tenant_id",
            "subscriber_id",
            "id",
            postgresql_where=text(f"subscriber_id IS NOT NULL AND {LATE}"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    session_id: Mapped[int] = mapped_column(BigInteger)
    begins_at: Mapped[datetime] = mapped_column(MOMENT)
    input_octets: Mapped[int] = mapped_column(BigInteger)
    output_octets: Mapped[int] = mapped_column(BigInteger)
    session_time_s: Mapped[int] = mapped_column(BigInteger)
    confidence: Mapped[int] = mapped_column(SmallInteger)
    recorded_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.clock_timestamp())


class UsageDay(Base):
    """Sums of `usage` up to the tenant's mark by local day (`accounting.usage_days`)."""

    __tablename__ = "usage_day"

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    confidence: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    # A sum of what fits 64 bits need not fit them.
    input_octets: Mapped[Decimal]
    output_octets: Mapped[Decimal]
    session_time_s: Mapped[Decimal]


class UsageSummed(Base):
    """A tenant's mark: its rows of `usage` up to this id are in its days."""

    __tablename__ = "usage_summed"

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    zone: Mapped[str] = mapped_column(Text)  # whose days they are
    up_to: Mapped[int] = mapped_column(BigInteger)
    settled_at: Mapped[datetime] = mapped_column(MOMENT)  # later ids were recorded after it


class SpoolPosition(Base):
    """How far a segment of a node's spool is in the database: the last `seq`.

    Written in the transaction that stores the records, which is what lets each count
    exactly once, whatever is killed when.
    """

    __tablename__ = "spool_position"

    segment: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    worker: Mapped[str] = mapped_column(Text)
    node: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now())


class DeadLetter(Base):
    """A record that could not be counted, and why.  It blocks nothing and waits for people."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        UniqueConstraint("segment", "seq"),
        Index(None, "tenant_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(MOMENT)
    nas_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    packet: Mapped[bytes]
    reason: Mapped[str] = mapped_column(Text)
    segment: Mapped[UUID] = mapped_column(Uuid)
    seq: Mapped[int] = mapped_column(BigInteger)
    retried_at: Mapped[datetime | None] = mapped_column(MOMENT)


class Hearing(Base):
    """A time in which a node heard its NASes and has counted all that it heard.

    The times between those of a node are when nobody may take silence for an end: they
    are in the database, so that a restart does not forget them (`accounting.hearing`).
    """

    __tablename__ = "hearing"

    node: Mapped[str] = mapped_column(EXACT, primary_key=True)
    since_at: Mapped[datetime] = mapped_column(MOMENT, primary_key=True)
    until_at: Mapped[datetime] = mapped_column(MOMENT)


class NasHeard(Base):
    """When a node heard a NAS: in one stretch, up to its last record (`accounting.hearers`)."""

    __tablename__ = "nas_heard"

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nas_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    node: Mapped[str] = mapped_column(EXACT, primary_key=True)
    since_at: Mapped[datetime] = mapped_column(MOMENT)
    until_at: Mapped[datetime] = mapped_column(MOMENT)


class NasDay(Base):
    """How a NAS reported on a day (UTC): sums, for `accounting.quality`."""

    __tablename__ = "nas_day"

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nas_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger, server_default="0")
    repeated: Mapped[int] = mapped_column(BigInteger, server_default="0")  # told nothing new
    unreadable: Mapped[int] = mapped_column(BigInteger, server_default="0")  # dead letters
    odd_stamps: Mapped[int] = mapped_column(BigInteger, server_default="0")  # and not believed
    ambiguous: Mapped[int] = mapped_column(BigInteger, server_default="0")  # `counters.LOW`
    # Intervals in `QUARANTINE`, and counters above what is counted (`points.OCTETS_MAX`).
    implausible: Mapped[int] = mapped_column(BigInteger, server_default="0")
    # Sessions closed, by how; one that is re-opened is taken back.
    stops: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reaped: Mapped[int] = mapped_column(BigInteger, server_default="0")
    redialled: Mapped[int] = mapped_column(BigInteger, server_default="0")
    restarted: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reused: Mapped[int] = mapped_column(BigInteger, server_default="0")
    # When most of its sessions fell silent together, and for how long.
    silent_gaps: Mapped[int] = mapped_column(BigInteger, server_default="0")
    silent_s: Mapped[int] = mapped_column(BigInteger, server_default="0")
    skew_s: Mapped[int | None] = mapped_column(BigInteger)  # its clock against ours, lately
