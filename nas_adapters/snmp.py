"""Asking an agent over SNMP, v2c or v3.  The only door to pysnmp.

OIDs are tuples of numbers and values are int, bytes or tuples: no MIB is loaded, because
what a number means is written down beside the code that reads it.  Read only: there is no
way to set anything from here, by design (BDCOM's reboot is a neighbour of its tables).

An engine takes a tenth of a second to make, and a row of a table some 0.1 ms to decode: ask
from a command or a process that has no logins to answer, and many OLTs one after another.

v3 is always authPriv.  A walk has a deadline, a bound on its rows, and refuses an agent
whose OIDs do not increase, which would otherwise be walked for ever.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.proto import errind, rfc1902, rfc1905

from core.deadlines import within
from nas_adapters.api_access import SnmpAccess
from nas_adapters.snmp_values import Oid, Value
from nas_adapters.trouble import NasTrouble, NoAnswer, NotLetIn, WillNot

ROWS_MAX: Final = 100_000
ROWS_AT_ONCE: Final = 25
TIMEOUT_S: Final = 2.0  # of one request
RETRIES: Final = 1
WALK_S: Final = 60.0  # of a whole table

_AUTH: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "md5": hlapi.USM_AUTH_HMAC96_MD5,
        "sha": hlapi.USM_AUTH_HMAC96_SHA,
        "sha224": hlapi.USM_AUTH_HMAC128_SHA224,
        "sha256": hlapi.USM_AUTH_HMAC192_SHA256,
        "sha384": hlapi.USM_AUTH_HMAC256_SHA384,
        "sha512": hlapi.USM_AUTH_HMAC384_SHA512,
    }
)
_PRIVACY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "des": hlapi.USM_PRIV_CBC56_DES,
        "aes128": hlapi.USM_PRIV_CFB128_AES,
        "aes192": hlapi.USM_PRIV_CFB192_AES,
        "aes256": hlapi.USM_PRIV_CFB256_AES,
    }
)
_KEYS_WRONG: Final = (
    errind.UnknownUserName,
    errind.WrongDigest,
    errind.AuthenticationFailure,
    errind.DecryptionError,
    errind.UnsupportedSecurityLevel,
    errind.UnknownSecurityName,
)


class Agent:
    """One agent that can be asked.  `open_` makes one."""

    def __init__(
        self, access: SnmpAccess, engine: Any, user: Any, target: Any, walk_s: float
    ) -> None:
        self.nas: Final = access.nas
        self._access = access
        self._engine = engine
        self._user = user
        self._target = target
        self._walk_s = walk_s

    async def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """What the agent has of these.

        Raises:
            NoAnswer: it is silent, or refuses our community by silence.
            NotLetIn: it does not know our name, or our keys are not its.
        """
        return dict(await self._ask(hlapi.get_cmd, (), oids))

    async def walk(self, root: Oid) -> list[tuple[Oid, Value]]:
        """Everything below `root`: the rest of each OID, and its value, in order.

        Raises:
            NoAnswer, NotLetIn: as `get`; also when it takes longer than the deadline.
            WillNot: it goes in circles, or has more than anybody would read.
        """
        rows: list[tuple[Oid, Value]] = []
        last = root
        name = ".".join(map(str, root))
        try:
            async with within(self._walk_s, f"walking {name}"):
                while True:
                    bulk = await self._ask(hlapi.bulk_cmd, (0, ROWS_AT_ONCE), [last])
                    for oid, value in bulk:
                        if oid <= last:
                            raise WillNot(self.nas, f"its SNMP goes in circles at {name}", "")
                        if oid[: len(root)] != root:
                            return rows
                        rows.append((oid[len(root) :], value))
                        last = oid
                    if not bulk:
                        return rows
                    if len(rows) > ROWS_MAX:
                        raise WillNot(self.nas, f"more than {ROWS_MAX} rows below {name}", "")
        except TimeoutError as late:
            raise NoAnswer(self.nas, f"its SNMP is slow: {late}", "look at its load") from None

    async def _ask(
        self, command: Any, before: tuple[int, ...], oids: Sequence[Oid]
    ) -> list[tuple[Oid, Value]]:
        try:
            problem, status, _, found = await command(
                self._engine,
                self._user,
                self._target,
                hlapi.ContextData(),
                *before,
                *((rfc1902.ObjectName(oid), rfc1905.unSpecified) for oid in oids),
                lookupMib=False,
            )
        except PySnmpError as broken:
            raise NoAnswer(self.nas, f"SNMP cannot be asked ({broken})", "") from None
        if problem:
            raise self._trouble(problem)
        if status:
            raise WillNot(self.nas, f"its SNMP answers {status.prettyPrint()}", "")
        return [(tuple(oid), value) for oid, raw in found if (value := _value(raw)) is not None]

    def _trouble(self, problem: Any) -> NasTrouble:
        access = self._access
        if isinstance(problem, _KEYS_WRONG):
            return NotLetIn(
                access.nas,
                f"its SNMP does not let user {access.username} in ({problem})",
                "correct name and keys, or give the user authPriv",
            )
        if isinstance(problem, errind.OidNotIncreasing):
            return WillNot(access.nas, "its SNMP goes in circles", "")
        if not isinstance(problem, errind.RequestTimedOut):
            return WillNot(access.nas, f"its SNMP cannot be understood ({problem})", "")
        remedy = "enable it for our address"
        if access.version == "2c":
            remedy += ", and see that the community is right: a wrong one is silence"
        return NoAnswer(
            access.nas,
            f"its SNMP does not answer at {access.host} port {access.port}",
            remedy,
        )


@asynccontextmanager
async def open_(
    access: SnmpAccess,
    *,
    timeout_s: float = TIMEOUT_S,
    retries: int = RETRIES,
    walk_s: float = WALK_S,
) -> AsyncIterator[Agent]:
    """The agent, ready to be asked; nothing is sent yet.

    Raises:
        NoAnswer: its name cannot be found.
        NotLetIn: a key that v3 cannot have.
    """
    engine = hlapi.SnmpEngine()
    try:
        transport = hlapi.Udp6TransportTarget if ":" in access.host else hlapi.UdpTransportTarget
        try:
            target = await transport.create(
                (access.host, access.port), timeout=timeout_s, retries=retries
            )
        except (PySnmpError, OSError):
            raise NoAnswer(
                access.nas, f"no address for {access.host}", "correct the address of its SNMP"
            ) from None
        yield Agent(access, engine, _user(access), target, walk_s)
    finally:
        engine.close_dispatcher()


def _user(access: SnmpAccess) -> Any:
    if access.version == "2c":
        assert access.community is not None
        return hlapi.CommunityData(access.community.octets.decode("latin-1"), mpModel=1)  # noqa: S508 - many boxes have no v3
    assert access.auth_key is not None
    assert access.privacy_key is not None
    return hlapi.UsmUserData(
        access.username,
        access.auth_key.octets,
        access.privacy_key.octets,
        authProtocol=_AUTH[access.auth],
        privProtocol=_PRIVACY[access.privacy],
    )


def _value(raw: Any) -> Value | None:
    """None for what is not there."""
    if isinstance(raw, rfc1905.NoSuchObject | rfc1905.NoSuchInstance | rfc1905.EndOfMibView):
        return None
    if isinstance(raw, rfc1902.OctetString):  # IpAddress and Opaque, too
        return bytes(raw)
    if isinstance(raw, rfc1902.univ.ObjectIdentifier):
        return tuple(raw)
    if isinstance(raw, rfc1902.univ.Null):
        return b""
    return int(raw)
