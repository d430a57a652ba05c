"""The table of how boxes are reached other than by RADIUS."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base


class NasApi(Base):
    """One way into one box: its API, or its SNMP agent.  A box has one of each at most."""

    __tablename__ = "nas_api"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "nas_id"], ["nas.tenant_id", "nas.id"], ondelete="CASCADE"
        ),
        CheckConstraint("way IN ('api', 'snmp')", name="way"),
        CheckConstraint("kind IN ('routeros', 'unifi', '2c', '3')", name="kind"),
        CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
    )

    nas_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    way: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)  # of API, or the version of SNMP
    address: Mapped[str] = mapped_column(Text, server_default="")  # "": the NAS's own
    port: Mapped[int | None]  # None: the kind's
    username: Mapped[str] = mapped_column(Text, server_default="")
    secrets_sealed: Mapped[bytes]  # a password, a community, or both keys of v3
    # What only some kinds have, by the names of `api_access`.
    options: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=text("'{}'"))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
