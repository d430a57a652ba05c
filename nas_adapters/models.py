"""Tables of nas_adapters: the boxes that may ask."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base
from nas_adapters.counting import OCTET_UNITS


class Nas(Base):
    """A box, or a network of boxes, that shares a secret with us.

    The source address decides the tenant, so (address, identifier) is unique over all of
    them; `identifier` is the NAS-Identifier that tells boxes behind one address apart.
    """

    __tablename__ = "nas"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),  # the target of keys that may not cross tenants
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("address", "identifier"),
        CheckConstraint("coa_port BETWEEN 1 AND 65535", name="coa_port"),
        CheckConstraint("line_bps BETWEEN 1 AND 100000000000000", name="line_bps"),
        CheckConstraint(f"octet_unit IN ({', '.join(map(str, OCTET_UNITS))})", name="octet_unit"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    name: Mapped[str] = mapped_column(Text(collation="C"))
    address: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR)
    identifier: Mapped[str] = mapped_column(Text(collation="C"), server_default="")
    secret_sealed: Mapped[bytes]
    vendor: Mapped[str] = mapped_column(Text, server_default="generic")
    require_message_authenticator: Mapped[bool] = mapped_column(server_default="true")
    coa_port: Mapped[int | None]  # None: the vendor's
    coa_secret_sealed: Mapped[bytes | None]  # None: the RADIUS secret
    swap_octets: Mapped[bool] = mapped_column(server_default="false")
    # When `swap_octets` was changed; a trigger keeps it.
    swapped_at: Mapped[list[datetime]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default="{}"
    )
    line_bps: Mapped[int | None] = mapped_column(BigInteger)
    sends_gigawords: Mapped[bool] = mapped_column(server_default="false")  # nodes learn it
    octet_unit: Mapped[int] = mapped_column(server_default="1")  # one count is so many octets
    # How its lines are called, and how names of what stands on it are made.
    line_patterns: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    name_templates: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    # What a device that nobody knows gets: a plan's code, or `reject`.
    unknown_devices: Mapped[str] = mapped_column(Text(collation="C"), server_default="reject")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
