"""Tables of aaa: who may log in, with what proof, to get what, and what was decided.

A key between two tables of one tenant names the tenant too: foreign keys are checked
beyond row-level security, and an id of another tenant must not be usable.
"""

from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from aaa import ways
from core.db import Base

EXACT = Text(collation="C")  # names are compared octet by octet


class Profile(Base):
    """What a subscriber gets, in bits per second and seconds; None leaves it to the NAS."""

    __tablename__ = "profile"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "code"),
        *(
            ForeignKeyConstraint(
                ["tenant_id", column], ["pool.tenant_id", "pool.id"], ondelete="RESTRICT"
            )
            for column in ("ipv4_pool_id", "ipv6_pool_id", "delegated_pool_id")
        ),
        CheckConstraint("at_limit IN ('reject', 'kick_oldest')", name="at_limit"),
        CheckConstraint("session_limit >= 0", name="session_limit"),
        CheckConstraint("quota_octets > 0 AND quota_time_s > 0", name="quota"),
        CheckConstraint(
            "quota_direction IN ('total', 'download', 'upload')", name="quota_direction"
        ),
        CheckConstraint(
            "quota_window IN ('anchor', 'calendar', 'day', 'rolling', 'none')", name="quota_window"
        ),
        CheckConstraint(
            "at_quota IN ('throttle', 'block', 'walled_garden', 'nothing')", name="at_quota"
        ),
        # Ingest asks for these with each batch.
        Index(
            "ix_profile_with_quota",
            "id",
            postgresql_where=text("quota_octets IS NOT NULL OR quota_time_s IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    code: Mapped[str] = mapped_column(EXACT)
    download_bps: Mapped[int | None] = mapped_column(BigInteger)
    upload_bps: Mapped[int | None] = mapped_column(BigInteger)
    burst_download_bps: Mapped[int | None] = mapped_column(BigInteger)
    burst_upload_bps: Mapped[int | None] = mapped_column(BigInteger)
    burst_threshold_bps: Mapped[int | None] = mapped_column(BigInteger)
    burst_time_s: Mapped[int | None]
    session_limit: Mapped[int] = mapped_column(server_default="0")  # 0 = none
    at_limit: Mapped[str] = mapped_column(Text, server_default="reject")
    session_timeout_s: Mapped[int | None] = mapped_column(BigInteger)  # 32 bits unsigned
    interim_s: Mapped[int | None] = mapped_column(server_default="300")
    address_pool: Mapped[str | None] = mapped_column(Text)  # a pool that the NAS has
    on_nas: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")  # `aaa.on_nas`
    # Pools of ours (`aaa.pools_models`), by the kind of what they give.
    ipv4_pool_id: Mapped[int | None] = mapped_column(BigInteger)
    ipv6_pool_id: Mapped[int | None] = mapped_column(BigInteger)
    delegated_pool_id: Mapped[int | None] = mapped_column(BigInteger)
    quota_octets: Mapped[int | None] = mapped_column(BigInteger)
    quota_time_s: Mapped[int | None] = mapped_column(BigInteger)
    quota_direction: Mapped[str] = mapped_column(Text, server_default="total")
    quota_window: Mapped[str] = mapped_column(Text, server_default="anchor")
    at_quota: Mapped[str] = mapped_column(Text, server_default="nothing")
    fup_download_bps: Mapped[int | None] = mapped_column(BigInteger)
    fup_upload_bps: Mapped[int | None] = mapped_column(BigInteger)
    zones: Mapped[list[object]] = mapped_column(JSONB, server_default="[]")  # `aaa.zones`
    thresholds: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{80,100,120}")


class Subscriber(Base):
    """Who logs in.  `username` is exact; `bind_mac` holds 12 lower-case hex digits each."""

    __tablename__ = "subscriber"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "username"),  # serves the search by prefix, too
        *(
            Index(None, "tenant_id", column, postgresql_where=text(f"{column} IS NOT NULL"))
            for column in ("static_ipv4", "static_ipv6_prefix", "delegated_ipv6")
        ),
        *(
            Index(
                None,
                "tenant_id",
                column,
                unique=True,
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ways.OF_DEVICE
        ),
        # The name of a line is one NAS's, or any NAS's.
        *(
            Index(
                f"ix_subscriber_{column}",
                "tenant_id",
                text("coalesce(line_nas_id, 0)"),
                column,
                unique=True,
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ways.OF_LINE
        ),
        ForeignKeyConstraint(
            ["tenant_id", "line_nas_id"], ["nas.tenant_id", "nas.id"], ondelete="RESTRICT"
        ),
        CheckConstraint("when_suspended IN ('reject', 'walled_garden')", name="when_suspended"),
        CheckConstraint("access IN ('pppoe', 'hotspot', 'gpon')", name="access"),
        CheckConstraint("mac ~ '^[0-9a-f]{12}$'", name="mac"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    username: Mapped[str] = mapped_column(EXACT)
    when_suspended: Mapped[str] = mapped_column(Text, server_default="reject")
    bind_mac: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    # How he comes in, and by what he is found beside his name (`aaa.ways`): unlike `bind_mac`,
    # which a password is asked for beside, these are all the proof there is.
    access: Mapped[str] = mapped_column(Text, server_default="pppoe")
    line_nas_id: Mapped[int | None] = mapped_column(BigInteger)  # whose names of a line these are
    line: Mapped[str | None] = mapped_column(EXACT)
    circuit_id: Mapped[str | None] = mapped_column(EXACT)
    remote_id: Mapped[str | None] = mapped_column(EXACT)
    onu_serial: Mapped[str | None] = mapped_column(EXACT)
    duid: Mapped[str | None] = mapped_column(EXACT)
    mac: Mapped[str | None] = mapped_column(EXACT)
    static_ipv4: Mapped[IPv4Address | None] = mapped_column(INET)
    static_ipv6_prefix: Mapped[IPv6Network | None] = mapped_column(CIDR)
    delegated_ipv6: Mapped[IPv6Network | None] = mapped_column(CIDR)
    # Extra reply attributes, name -> a value or a list of values.
    reply: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    quota_anchor: Mapped[date | None] = mapped_column(Date)  # None: the entitlement's first day
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


def _of_subscriber() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "subscriber_id"],
        ["subscriber.tenant_id", "subscriber.id"],
        ondelete="CASCADE",
    )


class Credential(Base):
    """A subscriber's password, sealed for ``b"credential:<subscriber id>"``."""

    __tablename__ = "credential"
    __table_args__ = (_of_subscriber(),)

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    sealed: Mapped[bytes]
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


class Entitlement(Base):
    """This subscriber may have this profile until then (None: no end)."""

    __tablename__ = "entitlement"
    __table_args__ = (
        _of_subscriber(),
        ForeignKeyConstraint(
            ["tenant_id", "profile_id"],
            ["profile.tenant_id", "profile.id"],
            ondelete="RESTRICT",
        ),
        Index(None, "tenant_id", "profile_id"),
        Index(None, "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
    )

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    profile_id: Mapped[int] = mapped_column(BigInteger)
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Stays when the profile changes: a quota's months begin on this day.
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class QuotaUsage(Base):
    """What a subscriber used of a quota from then to then, weighted: in hundredths.

    A sum of his rows in `usage` under a `rule` (`aaa.quota`), kept so that nobody has to add
    them up: a row under another rule, or that is missing, is worked out from them.
    """

    __tablename__ = "quota_usage"
    __table_args__ = (_of_subscriber(),)

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # None: never
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    rule: Mapped[str] = mapped_column(Text)
    octets: Mapped[Decimal] = mapped_column(Numeric)
    time_s: Mapped[Decimal] = mapped_column(Numeric)
    unsettled_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class QuotaCrossing(Base):
    """A threshold, in per cent, that was crossed in a window: once, whatever is said again.

    Once more only where the quota itself has changed.
    """

    __tablename__ = "quota_crossing"
    __table_args__ = (_of_subscriber(),)

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    window_starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    threshold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    quota_octets: Mapped[int | None] = mapped_column(BigInteger)
    quota_time_s: Mapped[int | None] = mapped_column(BigInteger)
    crossed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class QuotaState(Base):
    """What logins know of a quota: used by then, in whole octets and seconds, weighted.

    From `window_ends_at` on nothing is used, until this says something else.  Written when
    it has moved by a hundredth of the quota or changes what a login gets, for each change of
    it goes to every node.
    """

    __tablename__ = "quota_state"
    __table_args__ = (_of_subscriber(),)

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    window_starts_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    window_ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    octets: Mapped[int] = mapped_column(BigInteger, server_default="0")
    time_s: Mapped[int] = mapped_column(BigInteger, server_default="0")
    # The quota that it was judged by.
    quota_octets: Mapped[int | None] = mapped_column(BigInteger)
    quota_time_s: Mapped[int | None] = mapped_column(BigInteger)


class QuotaUncounted(Base):
    """Whose usage was stored when what counts it failed, until it is worked out (`quota_rows`)."""

    __tablename__ = "quota_uncounted"
    __table_args__ = (_of_subscriber(),)

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    since_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Hold(Base):
    """A suspension.  Each source has at most one a subscriber, and lifts only its own."""

    __tablename__ = "hold"
    __table_args__ = (
        _of_subscriber(),
        UniqueConstraint("subscriber_id", "source"),
        CheckConstraint("source IN ('staff', 'dunning', 'expiry', 'quota')", name="source"),
        CheckConstraint("effect IN ('reject', 'walled_garden')", name="effect"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    subscriber_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    effect: Mapped[str] = mapped_column(Text, server_default="reject")
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SubscriberNas(Base):
    """The subscriber may log in from this NAS; with no row at all, from any."""

    __tablename__ = "subscriber_nas"
    __table_args__ = (
        _of_subscriber(),
        ForeignKeyConstraint(
            ["tenant_id", "nas_id"], ["nas.tenant_id", "nas.id"], ondelete="RESTRICT"
        ),
        Index(None, "tenant_id", "nas_id"),
    )

    subscriber_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nas_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)


class Decision(Base):
    """What was answered, and why.  Written by nodes alone, and only added to.

    It refers to nothing by key: it tells what was true then, also of what is gone.
    """

    __tablename__ = "decision"
    __table_args__ = (
        CheckConstraint("outcome IN ('accept', 'reject', 'challenge')", name="outcome"),
        Index(None, "tenant_id", "at", "id"),
        Index(None, "tenant_id", "username", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    decision_uid: Mapped[str] = mapped_column(EXACT, unique=True)  # shipped twice, kept once
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    nas_id: Mapped[int | None] = mapped_column(BigInteger)
    nas_name: Mapped[str] = mapped_column(Text, server_default="")
    username: Mapped[str] = mapped_column(EXACT, server_default="")  # escaped text
    calling_station: Mapped[str] = mapped_column(Text, server_default="")
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    method: Mapped[str] = mapped_column(Text, server_default="")
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    trace: Mapped[list[object]] = mapped_column(JSONB, server_default="[]")
