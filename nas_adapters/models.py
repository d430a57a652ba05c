"""Tables of nas_adapters: the boxes that may ask."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base


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
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    name: Mapped[str] = mapped_column(Text(collation="C"))
    address: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR)
    identifier: Mapped[str] = mapped_column(Text(collation="C"), server_default="")
    secret_sealed: Mapped[bytes]
    vendor: Mapped[str] = mapped_column(Text, server_default="generic")
    require_message_authenticator: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
