"""SIGHUP: which settings may change while we run, and which need a start.

Sockets, the data directory and the database are held by the supervisor for its whole
life; the rest is read by children, and a renewed child has it.
"""

from core.config import Settings

# Dotted names of what is fixed at the start.
FIXED = (
    "data_dir",
    "database_url",
    "key_file",
    "database",
    "directory",
    "radius.host",
    "radius.auth_port",
    "radius.acct_port",
    "radius.workers",
    "radius.receive_buffer_bytes",
    "web",
)


def reloadable(running: Settings, fresh: Settings) -> tuple[Settings, list[str]]:
    """`fresh` with what is fixed taken from `running`, and the names of what that overrode."""
    ignored = []
    merged = fresh
    for name in FIXED:
        part, _, field = name.partition(".")
        if field:
            old = getattr(getattr(running, part), field)
            if getattr(getattr(fresh, part), field) != old:
                ignored.append(name)
                group = getattr(merged, part).model_copy(update={field: old})
                merged = merged.model_copy(update={part: group})
        elif getattr(fresh, part) != getattr(running, part):
            ignored.append(name)
            merged = merged.model_copy(update={part: getattr(running, part)})
    return merged, ignored
