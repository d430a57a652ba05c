"""The entry of every child process: ``python -m app.children ROLE [ARGUMENTS]``.

Imports what the role needs and no more: a login worker must be back in a moment and be
small, so it never loads what talks to the database.
"""

import signal
import sys

# A terminal's Ctrl-C is for the supervisor, which tells us; what is imported takes a while.
signal.signal(signal.SIGINT, signal.SIG_IGN)

from app import child  # noqa: E402 - after that, and not before


def main(arguments: list[str]) -> None:
    """Become what the supervisor asked for."""
    match arguments:
        case ["login", number, *descriptors]:
            from app import login_worker

            child.run(
                lambda settings, ready, stop: login_worker.run(
                    settings, int(number), [int(each) for each in descriptors], ready, stop
                )
            )
        case ["replicator", *more]:
            from app import replicator_process

            child.run(
                lambda settings, ready, stop: replicator_process.run(
                    settings, ready, stop, gives_addresses="no-addresses" not in more
                )
            )
        case ["ingest"]:
            from app import ingest_process

            child.run(ingest_process.run)
        case ["jobs"]:
            from app import jobs_process

            child.run(jobs_process.run)
        case ["web", descriptor, *roles]:
            from app import web_process

            child.run(
                lambda settings, ready, stop: web_process.run(
                    settings, int(descriptor), "login" in roles, ready, stop
                )
            )
        case ["migrate"]:
            from app import migrate_process

            child.run(migrate_process.run)
        case _:
            raise SystemExit(f"unknown role {' '.join(arguments)}")


if __name__ == "__main__":
    main(sys.argv[1:])
