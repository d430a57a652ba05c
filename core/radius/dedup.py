"""Duplicate detection for one listening socket (RFC 5080 §2.2.2).

A NAS that hears nothing sends the same octets again.  Answering it twice is harmless;
*deciding* twice is not: a second pass may reserve a second session or count a second
guess.  So each request is admitted once, and later copies are either ignored (we are
still deciding) or answered with the very octets that we sent.

Sans-IO: no socket, no clock.  The caller passes ``now`` in, in seconds of any monotonic
clock.
"""

from enum import Enum

RequestKey = tuple[object, int]
"""What makes two packets "the same request" on one socket: the source (address and
port) and the Identifier (RFC 2865 §3)."""


class Admission(Enum):
    FRESH = "fresh"  # decide it, then call `answered` or `forget`
    PENDING = "pending"  # a copy of one being decided: drop silently


FRESH = Admission.FRESH
PENDING = Admission.PENDING


class DuplicateCache:
    """Remembers requests for at least `lifetime_s` and at most twice that.

    Two generations instead of a time per entry: a request is entered into the young one,
    and every `lifetime_s` the old one is dropped whole.  When the young one is full the
    same happens early, so memory is bounded and a flood only shortens what is remembered.
    RFC 5080 asks for 5 to 30 seconds.
    """

    def __init__(self, *, lifetime_s: float = 10.0, entries_max: int = 65_536) -> None:
        assert 5.0 <= lifetime_s <= 15.0, "twice this must stay within RFC 5080's 30 seconds"
        assert entries_max >= 2
        self._lifetime_s = lifetime_s
        self._generation_max = entries_max // 2
        self._young: dict[RequestKey, tuple[bytes, bytes | None]] = {}
        self._old: dict[RequestKey, tuple[bytes, bytes | None]] = {}
        self._turns_at = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def admit(self, key: RequestKey, authenticator: bytes, now: float) -> Admission | bytes:
        """Say what to do with a *verified* request: decide, drop, or resend.

        Returns the reply octets when the request was already answered.  Call it after the
        Message-Authenticator check: a forged packet must not touch the cache.
        """
        if now >= self._turns_at or len(self._young) >= self._generation_max:
            self._turn(now)
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.get(key)
        if entry is not None and entry[0] == authenticator:
            return PENDING if entry[1] is None else entry[1]
        # New, or the same key with another authenticator: then the NAS reused the
        # Identifier, and the old exchange is over.
        self._young[key] = (authenticator, None)
        return FRESH

    def answered(self, key: RequestKey, authenticator: bytes, reply: bytes) -> None:
        """Keep `reply` for later copies, unless the Identifier moved on meanwhile."""
        for generation in (self._young, self._old):
            entry = generation.get(key)
            if entry is not None:
                if entry[0] == authenticator:
                    generation[key] = (authenticator, reply)
                return

    def forget(self, key: RequestKey, authenticator: bytes) -> None:
        """Let the next copy be decided afresh, because this one got no answer."""
        for generation in (self._young, self._old):
            entry = generation.get(key)
            if entry is not None:
                if entry[0] == authenticator:
                    del generation[key]
                return

    def _turn(self, now: float) -> None:
        # After a long silence both generations are stale, not only the old one.
        self._old = self._young if now < self._turns_at + self._lifetime_s else {}
        self._young = {}
        self._turns_at = now + self._lifetime_s
