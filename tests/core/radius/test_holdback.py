"""Of who is overloading us as much is let in as can be served, and a little more."""

from collections.abc import Mapping

from core.radius.holdback import PERIOD_S, Holdback
from core.radius.responder import Source

MAD, QUIET = "192.0.2.66", "192.0.2.1"


class Socket:
    """What a kernel that does as it is told lets in, of those who send evenly."""

    def __init__(self) -> None:
        self.now = 0.0
        self.parts: Mapping[str, float] = {}
        self._holdback = Holdback(0.0)

    def period(self, sent: Mapping[str, int], can_serve: int) -> dict[str, int]:
        """A tenth of a second; what was received."""
        received = {
            host: round(count * (1.0 - self.parts.get(host, 0.0))) for host, count in sent.items()
        }
        served = {host: min(count, can_serve) for host, count in received.items()}
        portion: list[tuple[bytes, Source]] = [
            (b"", (host, 1024, b"")) for host in served for _ in range(served[host])
        ]
        shed = {host: count - served[host] for host, count in received.items()}
        self._holdback.note(portion, {host: count for host, count in shed.items() if count})
        assert self._holdback.parts(self.now) is None, "not before its time"
        self.now += PERIOD_S
        parts = self._holdback.parts(self.now)
        if parts is not None:
            self.parts = parts
        return received


def test_a_flood_is_not_even_received_but_for_what_keeps_its_queue_filled() -> None:
    one = Socket()
    for _ in range(3):
        received = one.period({MAD: 5_000, QUIET: 10}, can_serve=100)
    for _ in range(20):
        received = one.period({MAD: 5_000, QUIET: 10}, can_serve=100)
        assert 100 < received[MAD] <= 200
        assert received[QUIET] == 10, "who asks for less than his share is not held back"


def test_a_host_of_whom_more_can_be_served_is_let_in_more() -> None:
    one = Socket()
    for _ in range(5):
        one.period({MAD: 5_000}, can_serve=100)
    for _ in range(12):
        received = one.period({MAD: 5_000}, can_serve=1_000)
    assert received[MAD] >= 1_000


def test_a_flood_that_is_over_is_forgotten_within_a_second() -> None:
    one = Socket()
    for _ in range(5):
        one.period({MAD: 5_000}, can_serve=100)
    assert set(one.parts) == {MAD}
    for _ in range(10):
        one.period({MAD: 20}, can_serve=100)
    assert one.parts == {}


def test_hosts_that_fell_silent_are_forgotten_at_once() -> None:
    one = Socket()
    for _ in range(2):
        one.period({MAD: 5_000}, can_serve=100)
    one.period({}, can_serve=100)
    assert one.parts == {}
