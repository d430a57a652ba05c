"""What time it is.  The only module that asks the operating system."""

import time
from datetime import UTC, datetime


class Clock:
    """Shells hold one and pass the time on; domain functions take ``now``."""

    def now(self) -> datetime:
        """The moment, with its zone (always UTC).  For what is stored or shown."""
        return datetime.now(UTC)

    def unix_s(self) -> float:
        """The moment in seconds since 1970, where building a datetime costs too much."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump.  For how long something took or may take."""
        return time.monotonic()
