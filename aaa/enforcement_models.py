"""The table of enforcement: of each session that was told something, what and with what result.

It is the outbox, too: what is `due` is sent by whoever owns the NAS just now, and a process
that dies between the sending and the writing down leaves it due.  Refers to nothing by key: a
session may turn out to be part of another, and is gone.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, func, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base

MOMENT = DateTime(timezone=True)


class Enforcement(Base):
    """What a session is to have, and what it has as far as we know.  `done`: the same."""

    __tablename__ = "enforcement"
    __table_args__ = (
        CheckConstraint("service IN ('plan', 'throttled', 'garden', 'off')", name="service"),
        CheckConstraint(
            "state IN ('due', 'told', 'done', 'waiting', 'stopped', 'stale')", name="state"
        ),
        CheckConstraint("rung IN ('coa', 'disconnect', 'api', 'login')", name="rung"),
        Index("ix_enforcement_due", "nas_id", "next_at", postgresql_where=text("state = 'due'")),
        Index(
            "ix_enforcement_open",
            "tenant_id",
            "session_id",
            postgresql_where=text("state <> 'done'"),
        ),
    )

    session_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    nas_id: Mapped[int] = mapped_column(BigInteger)
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    wanted: Mapped[str] = mapped_column(Text)  # a print (`enforcement_print`); off: none
    service: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")  # of the decision, or "staff"
    profile: Mapped[object | None] = mapped_column(JSONB)  # of `wanted`
    applied: Mapped[str] = mapped_column(Text, server_default="")  # a print; empty: unknown
    applied_profile: Mapped[object | None] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text, server_default="due")  # `enforcement.State`
    rung: Mapped[str] = mapped_column(Text)  # of the ladder
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")  # of the wish
    attempts: Mapped[int] = mapped_column(server_default="0")  # on this rung
    cause: Mapped[str] = mapped_column(Text, server_default="")  # why it is not done, for people
    error_cause: Mapped[int | None]
    target: Mapped[str] = mapped_column(Text, server_default="")
    request: Mapped[str] = mapped_column(Text, server_default="")  # the last one, for people
    rtt_s: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    made_at: Mapped[datetime] = mapped_column(MOMENT, server_default=func.now())
    next_at: Mapped[datetime | None] = mapped_column(MOMENT)
    told_at: Mapped[datetime | None] = mapped_column(MOMENT)
    # What the session had reported when it was told so, and after (`enforcement_belief`).
    seen_at: Mapped[datetime | None] = mapped_column(MOMENT)
    seen_input_octets: Mapped[int | None] = mapped_column(BigInteger)
    seen_output_octets: Mapped[int | None] = mapped_column(BigInteger)
    looks: Mapped[int] = mapped_column(server_default="0")
