"""Whose session a record belongs to: the key that all its records share (domain: identity).

Acct-Session-Id alone repeats, over boxes and after reboots.  The User-Name is not in the
key, since case, realm and privacy names change within a session.  All generations of a
reused key form one group; telling them apart takes their records, and `sessions`.
"""

from typing import NamedTuple

from accounting.records import Record


class SessionKey(NamedTuple):
    """One group of sessions, whatever address its packets come from."""

    tenant_id: int
    nas_id: int
    reported: str  # which box it says it is, where one client record stands for several
    acct_session_id: str
    class_nonce: str  # of the login, empty if the NAS does not return our Class


def session_key(record: Record) -> SessionKey:
    """The key of a Start, Interim or Stop."""
    return SessionKey(
        record.tenant_id,
        record.nas_id,
        record.reported,
        record.acct_session_id,
        record.class_nonce,
    )
