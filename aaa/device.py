"""What counts as the same device when sessions are counted: the station on its NAS, else
the port it came in by.  One key for logins and for the sessions that come of them."""


def device_of(nas_id: int, calling: bytes, port_name: bytes = b"", port: bytes = b"") -> bytes:
    """The key of a Calling-Station-Id, else NAS-Port-Id, else NAS-Port; empty if the NAS tells
    none of them: such a login may be from any device."""
    if calling:
        return b"%d:" % nas_id + calling.lower()
    if port_name:
        return b"%d port-id:" % nas_id + port_name
    if port:
        return b"%d port:" % nas_id + port
    return b""
