"""A conversation with a router over the RouterOS API.  The only door to librouteros.

Over TLS and with the certificate checked, by a pinned fingerprint or by the system's
authorities, *before* the password is sent; plain only where somebody asked for it.  What
to ask for is `routeros_router`'s and `routeros_lists`' business.

librouteros' asynchronous half moves sentences, and no more than that: it would turn the
password "yes" into True and the name "0042" into 42, and an empty sentence into an
IndexError.  A connection carries one command at a time, and one that was given up in the
middle is closed, because the rest of its answer would be taken for the next one's.
"""

import asyncio
import hashlib
import hmac
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from librouteros import async_create_transport
from librouteros.exceptions import LibRouterosError
from librouteros.protocol import AsyncApiProtocol

from core.deadlines import within
from core.octets import from_text, to_text
from core.secret import Secret
from nas_adapters.api_access import ApiAccess
from nas_adapters.trouble import NasTrouble, NoAnswer, NotLetIn, NotThere, WillNot

ROWS_MAX: Final = 200_000  # no router has as many sessions
DEADLINE_S: Final = 10.0
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

# It writes every sentence, passwords too, into its log at DEBUG.
logging.getLogger("librouteros").setLevel(logging.WARNING)

Row = Mapping[str, str]


class Conversation:
    """A connection that is logged in.  `open_` makes one."""

    def __init__(self, access: ApiAccess, protocol: AsyncApiProtocol, deadline_s: float) -> None:
        self.nas: Final = access.nas
        self._protocol = protocol
        self._deadline_s = deadline_s
        self._turn = asyncio.Lock()
        self._is_lost = False

    async def ask(
        self,
        command: str,
        arguments: Mapping[str, str | Secret] = NOTHING,
        *,
        where: Mapping[str, str] = NOTHING,
        fields: Sequence[str] = (),
    ) -> list[Row]:
        """The rows of the answer.  All texts, given and returned, are escaped (`core.octets`).

        Raises:
            NoAnswer: none in time, or the connection broke: it is of no more use.
            NotLetIn: our user may not do this.
            NotThere: no such entry.
            WillNot: anything else that the router objects to, in its words.
        """
        words = [f"={key}={_wire(value)}" for key, value in arguments.items()]
        if fields:
            words.append(f"=.proplist={','.join(fields)}")
        words += [f"?{key}={_wire(value)}" for key, value in where.items()]
        async with self._turn:
            if self._is_lost:
                raise NoAnswer(self.nas, "the connection to its API is lost", "connect again")
            self._is_lost = True  # until the whole answer is here
            try:
                async with within(self._deadline_s, command):
                    await self._protocol.writeSentence(command, *words)
                    rows, objections = await self._answer()
            except TimeoutError as late:
                raise NoAnswer(
                    self.nas, f"its API is slow: {late}", "look at the router's load"
                ) from None
            except (OSError, LibRouterosError, IndexError, ValueError) as broken:
                raise NoAnswer(
                    self.nas, f"its API broke off: {_told(broken)}", "try again"
                ) from None
            self._is_lost = False
        if objections:
            raise _objection(self.nas, command, objections)
        return rows

    async def _answer(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        objections: list[Row] = []
        while True:
            kind, words = await self._protocol.readSentence()
            row = _row(words)
            if kind == "!trap":
                objections.append(row)
            elif row and kind in ("!re", "!done"):
                rows.append(row)
            if kind == "!done":
                return rows, objections
            if len(rows) > ROWS_MAX:
                raise ValueError(f"more than {ROWS_MAX} rows")

    async def close(self) -> None:
        with suppress(OSError, TimeoutError, LibRouterosError):
            await self._protocol.close()


@asynccontextmanager
async def open_(
    access: ApiAccess, *, deadline_s: float = DEADLINE_S
) -> AsyncIterator[Conversation]:
    """Connect, check who answers, log in; every command has `deadline_s`.

    Raises:
        NoAnswer: nobody listens there.
        NotLetIn: wrong certificate, wrong password.
    """
    where = f"{access.host} port {access.port}"
    try:
        transport = await async_create_transport(
            access.host,
            port=access.port,
            saddr=None,
            timeout=deadline_s,
            ssl_wrapper=_tls(access) if access.tls else None,
        )
    except ssl.SSLCertVerificationError as wrong:
        raise NotLetIn(
            access.nas,
            f"the certificate at {where} is not trusted ({wrong.verify_message})",
            "put its SHA-256 into api.fingerprint",
        ) from None
    except ssl.SSLError as wrong:
        raise NoAnswer(
            access.nas,
            f"no TLS at {where} ({wrong.reason})",
            "give api-ssl a certificate in /ip service",
        ) from None
    except OSError as wrong:
        raise NoAnswer(
            access.nas,
            f"its API does not answer at {where} ({_told(wrong)})",
            f"enable {'api-ssl' if access.tls else 'api'} in /ip service for our address",
        ) from None
    # A read of the library's own would end at its timeout; ours is for the whole answer.
    protocol = AsyncApiProtocol(transport=transport, encoding="latin-1", timeout=deadline_s)
    conversation = Conversation(access, protocol, deadline_s)
    try:
        if access.tls and access.fingerprint:
            _check_fingerprint(access, transport.writer.get_extra_info("ssl_object"))
        await _log_in(conversation, access)
        yield conversation
    finally:
        await conversation.close()


async def _log_in(conversation: Conversation, access: ApiAccess) -> None:
    try:
        told = await conversation.ask(
            "/login", {"name": access.username, "password": access.password}
        )
    except (NotLetIn, WillNot) as refused:
        raise NotLetIn(
            access.nas,
            f"its API does not let user {access.username} in ({refused.cause})",
            "correct username and password, and give the user's group the policy api",
        ) from None
    if any("ret" in row for row in told):
        raise WillNot(access.nas, "RouterOS before 6.43", "upgrade it: its login is unsafe")


def _tls(access: ApiAccess) -> ssl.SSLContext:
    if not access.fingerprint:
        return _authorities()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it vouches for itself, and the name on it says nothing
    context.verify_mode = ssl.CERT_NONE
    return context


@cache
def _authorities() -> ssl.SSLContext:
    """Those of the system; reading them takes longer than a router's answer."""
    return ssl.create_default_context()


def _check_fingerprint(access: ApiAccess, connection: Any) -> None:
    certificate = connection.getpeercert(binary_form=True) or b""
    found = hashlib.sha256(certificate).hexdigest()
    if not hmac.compare_digest(found, access.fingerprint):
        raise NotLetIn(
            access.nas,
            f"the certificate of its API has the SHA-256 {found}, not that of api.fingerprint",
            "find out who changed it before you change the setting",
        )


def _objection(nas: str, command: str, objections: Sequence[Row]) -> NasTrouble:
    told = ", ".join(row.get("message", "no reason") for row in objections).replace("\r\n", ", ")
    if "no such item" in told:
        return NotThere(nas, f"{command}: {told}", "")
    if "not enough permissions" in told or "cannot log in" in told:
        return NotLetIn(nas, f"{command}: {told}", "give our user's group the policies it needs")
    if "invalid user name or password" in told:
        return NotLetIn(nas, told, "")
    return WillNot(nas, f"{command}: {told}", "")


def _row(words: Sequence[str]) -> Row:
    """`=name=value`, both as they came; anything else (`.tag`) is passed over."""
    row = {}
    for word in words:
        if word.startswith("=") and (end := word.find("=", 1)) > 0:
            row[word[1:end]] = to_text(word[end + 1 :].encode("latin-1"))
    return row


def _wire(value: str | Secret) -> str:
    octets = value.octets if isinstance(value, Secret) else from_text(value)
    return octets.decode("latin-1")


def _told(wrong: Exception) -> str:
    return str(wrong) or type(wrong).__name__
