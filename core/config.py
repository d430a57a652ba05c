"""Settings: read once at the start, complete, frozen, and refused as a whole when one is wrong.

Four sources, the first that speaks wins: the command line, the environment
(``TURNPIKE_RADIUS__AUTH_PORT``), `turnpike.toml`, the defaults below.  A key that nobody
knows stops the start just as a bad value does: a setting that is silently ignored is
found by customers.  Knows names, types and bounds; what a setting does is told where it
is used.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.config_sources import (
    CONFIG_VARIABLE,
    explained,
    from_environment,
    from_file,
    from_overrides,
    merged,
)
from core.errors import Invalid
from core.units import parse_rate_bps

MIB: Final = 2**20
NAME_OCTETS_MAX: Final = 200  # that of nas_adapters/profile: what every dialect can say
DEFAULT_FILE: Final = Path("turnpike.toml")


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("not an IP address: write one such as 127.0.0.1, 0.0.0.0 or ::") from None


def _database_url(value: str) -> str:
    if not re.match(r"postgres(ql)?(\+asyncpg)?://", value):
        raise ValueError("not a PostgreSQL URL: write postgresql://user:password@host/database")
    return value


def _name(value: str) -> str:
    if not 1 <= len(value.encode()) <= NAME_OCTETS_MAX:
        raise ValueError(f"write 1 to {NAME_OCTETS_MAX} octets")
    return value


Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: the system picks one
Rate = Annotated[int, BeforeValidator(parse_rate_bps)]
Text = Annotated[str, AfterValidator(_name)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Part):
    """How PostgreSQL is run when no URL names one, and how it is used in any case."""

    bin_dir: Path | None = None  # None: the machine's, else the wheel's
    auto_upgrade: bool = True
    pool_size: Annotated[int, Field(ge=1, le=100)] = 5


class RadiusSettings(_Part):
    """The two sockets and what stands directly behind them."""

    host: Address = "0.0.0.0"  # noqa: S104 - a RADIUS server is there to be reached
    auth_port: Port = 1812
    acct_port: Port = 1813
    workers: Annotated[int, Field(ge=0, le=256)] = 0  # 0: `worker_count` says
    reject_delay_s: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] = 1.0
    # RFC 5080 §2.2.2 asks for 5 to 30 seconds; entries live up to twice as long as said here.
    duplicate_lifetime_s: Annotated[float, Field(ge=5, le=15, allow_inf_nan=False)] = 10.0
    duplicate_entries_max: Annotated[int, Field(ge=1024, le=2**24)] = 65536
    receive_buffer_bytes: Annotated[int, Field(ge=65536, le=2**30)] = 8 * MIB

    @property
    def worker_count(self) -> int:
        """How many login workers there are: one a core that we may use, unless set."""
        return self.workers or len(os.sched_getaffinity(0))


class WalledGarden(_Part):
    """What a subscriber gets who may only see why he gets nothing else."""

    filter_id: Text | None = "walled-garden"
    download: Rate | None = 1_000_000
    upload: Rate | None = 1_000_000
    session_timeout_s: Annotated[int, Field(ge=60, le=86400)] = 600
    address_pool: Text | None = None
    redirect_url: Text | None = None


class PolicySettings(_Part):
    """Numbers that the login decision works with."""

    guesses_max: Annotated[int, Field(ge=1, le=10_000)] = 10
    guess_window_s: Annotated[int, Field(ge=1, le=3600)] = 60
    guess_lock_s: Annotated[int, Field(ge=1, le=60)] = 30  # the real user never waits longer
    reservation_s: Annotated[int, Field(ge=5, le=600)] = 60
    walled_garden: WalledGarden = WalledGarden()


class DecisionSettings(_Part):
    """How much is kept of what was decided and why."""

    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    rate_max: Annotated[int, Field(ge=1, le=100_000)] = 500  # a second and worker; then sampled
    file_bytes_max: Annotated[int, Field(ge=MIB, le=2**34)] = 16 * MIB


class AccountingSettings(_Part):
    """What is kept of accounting: of each worker until the database has it, and there."""

    keep_raw_days: Annotated[int, Field(ge=1, le=3650)] = 365
    # Of one worker.  At the first of the two limits it falls silent, and NASes keep records.
    spool_bytes_max: Annotated[int, Field(ge=MIB, le=2**44)] = 2048 * MIB
    spool_records_max: Annotated[int, Field(ge=1_000, le=10**10)] = 5_000_000
    spool_alarm_at: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.7
    dead_letters_alarm_at: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000


class DirectorySettings(_Part):
    """The memory map that logins read."""

    map_size_bytes: Annotated[int, Field(ge=16 * MIB, le=2**44)] = 8 * 1024 * MIB


class EnforcementSettings(_Part):
    """How sessions that run are brought to what they should have, and how fast."""

    pass_every_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    # Of one NAS.  Whom it disconnects dials in again: more at once is a storm.
    coa_per_s: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 150.0
    coa_in_flight: Annotated[int, Field(ge=1, le=256)] = 8


class WebSettings(_Part):
    """Where the panel, /healthz and /metrics answer."""

    host: Address = "127.0.0.1"
    port: Port = 8080


class LogSettings(_Part):
    """What is logged, and for whom: people (logfmt) or machines (JSON)."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(_Part):
    """Everything that can be set.  `load` makes one."""

    data_dir: Annotated[Path, AfterValidator(Path.absolute), Field(validate_default=True)] = Path(
        "var"
    )
    database_url: Annotated[
        Annotated[str, AfterValidator(_database_url)] | None, Field(repr=False)
    ] = None
    key_file: Path | None = None  # None: `key_path` says where
    database: DatabaseSettings = DatabaseSettings()
    radius: RadiusSettings = RadiusSettings()
    policy: PolicySettings = PolicySettings()
    decisions: DecisionSettings = DecisionSettings()
    accounting: AccountingSettings = AccountingSettings()
    directory: DirectorySettings = DirectorySettings()
    enforcement: EnforcementSettings = EnforcementSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()

    @property
    def key_path(self) -> Path:
        """Where the encryption key lies."""
        return self.key_file or self.data_dir / "turnpike.key"


def load(
    config_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings in force.

    `overrides` is what the command line says, nested like the file; None in it means
    "not said".  The file is `config_file`, else TURNPIKE_CONFIG, else ./turnpike.toml
    if there is one.

    Raises:
        Invalid: names every key that is unknown or wrong, its source and its value.
    """
    path = config_file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    sources = [from_overrides(overrides or {}), from_environment(Settings, environ)]
    if path is not None:
        sources.append(from_file(path))
    try:
        return Settings.model_validate(merged(sources))
    except ValidationError as refused:
        first = ".".join(str(part) for part in refused.errors()[0]["loc"])
        raise Invalid(explained(Settings, refused, sources), field=first) from None
