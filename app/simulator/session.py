"""One session on a simulated NAS: what it is allowed, and counters that grow accordingly.

The subscriber wants to transfer so much a second; what passes is that, or the rate that
was allowed when it passed.  So a throttle that was really applied shows in the usage, and
one that was only acknowledged does not.

Knows no packet and no clock: every time is an argument, in seconds.
"""

from dataclasses import dataclass, field

from app.simulator.service import Rates, Service

WALLED_BPS = 64_000  # a portal and a name server carry little, whatever the rate would allow


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who dials, and how much he would transfer if he could."""

    username: str
    password: str
    station: str = "02:00:5E:00:00:01"  # MAC address
    method: str = ""  # pap | chap | mschapv2; empty: the box's first
    download_bps: int = 0
    upload_bps: int = 0
    circuit_id: str = ""  # Option 82, where the access network adds it
    remote_id: str = ""
    redials: bool = True  # whether the device at home dials again by itself


@dataclass(slots=True, eq=False)
class Session:
    """From the Accept to the Stop.  Octets are those that the NAS counted: the truth."""

    subscriber: Subscriber
    acct_session_id: str
    port: int
    framed_ip: str
    service: Service
    walls: frozenset[str]
    began_s: float
    counted_at_s: float
    input_octets: int = 0  # from the subscriber
    output_octets: int = 0  # to him
    ended_s: float | None = None
    cause: int = 0  # Acct-Terminate-Cause
    _rest_bits: list[float] = field(default_factory=lambda: [0.0, 0.0])

    @property
    def username(self) -> str:
        """As accounting calls him."""
        return self.service.user_name or self.subscriber.username

    @property
    def rates(self) -> Rates:
        return self.service.rates

    @property
    def is_walled(self) -> bool:
        return self.service.confined_by(self.walls)

    @property
    def is_online(self) -> bool:
        return self.ended_s is None

    def count(self, now: float) -> None:
        """Let pass what passed since the last time, but no more than the limits leave."""
        elapsed_s, self.counted_at_s = (
            max(0.0, now - self.counted_at_s),
            max(now, self.counted_at_s),
        )
        up_bps, down_bps = self._speeds()
        self.carry(
            upload=self._whole(0, up_bps * elapsed_s), download=self._whole(1, down_bps * elapsed_s)
        )

    def carry(self, *, download: int = 0, upload: int = 0) -> None:
        """Octets that pass at once, within what the limits leave."""
        limits = self.service.limits
        if limits.upload_octets is not None:
            upload = min(upload, max(0, limits.upload_octets - self.input_octets))
        if limits.download_octets is not None:
            download = min(download, max(0, limits.download_octets - self.output_octets))
        if limits.total_octets is not None:
            left = max(0, limits.total_octets - self.input_octets - self.output_octets)
            if upload + download > left:
                upload = upload * left // (upload + download)
                download = left - upload
        self.input_octets += upload
        self.output_octets += download

    def spent(self) -> bool:
        """Whether a limit in octets is reached."""
        limits = self.service.limits
        return any(
            limit is not None and counted >= limit
            for limit, counted in (
                (limits.upload_octets, self.input_octets),
                (limits.download_octets, self.output_octets),
                (limits.total_octets, self.input_octets + self.output_octets),
            )
        )

    def ends_at_s(self) -> float | None:
        """When time or, at the present speed, octets run out; None: never."""
        up_bps, down_bps = self._speeds()
        limits, ends = self.service.limits, []
        if self.service.session_timeout_s is not None:
            ends.append(self.began_s + self.service.session_timeout_s)
        for limit, counted, speed_bps in (
            (limits.upload_octets, self.input_octets, up_bps),
            (limits.download_octets, self.output_octets, down_bps),
            (limits.total_octets, self.input_octets + self.output_octets, up_bps + down_bps),
        ):
            if limit is not None and counted >= limit:
                ends.append(self.counted_at_s)
            elif limit is not None and speed_bps:
                # A part of an octet may still be missing then: it is looked at again.
                ends.append(self.counted_at_s + (limit - counted) * 8 / speed_bps + 0.001)
        return min(ends) if ends else None

    def _speeds(self) -> tuple[int, int]:
        wanted, allowed = self.subscriber, self.service.rates
        up_bps = _least(wanted.upload_bps, allowed.upload_bps)
        down_bps = _least(wanted.download_bps, allowed.download_bps)
        if self.is_walled:
            return min(up_bps, WALLED_BPS), min(down_bps, WALLED_BPS)
        return up_bps, down_bps

    def _whole(self, at: int, bits: float) -> int:
        """Whole octets; what is left over passes with the next ones."""
        whole, self._rest_bits[at] = divmod(self._rest_bits[at] + bits, 8)
        return int(whole)


def _least(wanted_bps: int, allowed_bps: int | None) -> int:
    return wanted_bps if allowed_bps is None else min(wanted_bps, allowed_bps)
