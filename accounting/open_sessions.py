"""The sessions of a NAS that are open as far as we know, as its own API could name them."""

from sqlalchemy import select

from accounting.models import Session
from core.db import Tx
from nas_adapters.base import SessionRef


async def of_nas(tx: Tx, nas_id: int) -> list[SessionRef]:
    """In the order in which they began; what the database does not keep is empty."""
    rows = await tx.execute(
        select(
            Session.acct_session_id,
            Session.username,
            Session.framed_ip,
            Session.calling_station,
            Session.nas_port,
            Session.nas_port_id,
            Session.multi_session_id,
            Session.nas_identifier,
            Session.nas_address,
        )
        .where(Session.nas_id == nas_id, Session.stopped_at.is_(None))
        .order_by(Session.id)
    )
    return [
        SessionRef(
            acct_session_id=row.acct_session_id,
            user_name=row.username,
            framed_ip="" if row.framed_ip is None else str(row.framed_ip),
            calling_station=row.calling_station,
            nas_port=row.nas_port,
            nas_port_id=row.nas_port_id,
            multi_session_id=row.multi_session_id,
            nas_identifier=row.nas_identifier,
            nas_address=row.nas_address,
        )
        for row in rows
    ]
