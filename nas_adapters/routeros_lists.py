"""Address lists of a RouterOS router, and the PPP secrets that it holds itself.

An entry of an address list is ours by its comment; nobody else's is ever changed or
removed.  With a timeout an entry ends by itself and does not survive a restart, which is
what a walled garden wants: the router must not keep somebody in it that we forgot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from core.octets import from_text
from core.secret import Secret
from nas_adapters.routeros import Conversation, Row
from nas_adapters.routeros_router import seconds
from nas_adapters.trouble import NotThere, WillNot

OURS: Final = "turnpike"  # a comment of ours begins so

_ENTRY: Final = (".id", "list", "address", "comment", "timeout", "dynamic")
_SECRET: Final = (
    *("name", "password", "service", "profile", "remote-address", "caller-id"),
    *("disabled", "comment"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of an address list."""

    row: str
    list_name: str
    address: str
    comment: str
    timeout_s: int | None  # what is left; None: it stays

    @property
    def is_ours(self) -> bool:
        return self.comment.startswith(OURS)


@dataclass(frozen=True, slots=True)
class PppSecret:
    """A login that the router knows without RADIUS, for taking it over."""

    name: str  # escaped (`core.octets`)
    password: Secret | None  # None: our user may not see it (policy `sensitive`)
    service: str
    profile: str
    remote_address: str  # an address, or the name of a pool
    caller_id: str
    is_disabled: bool
    comment: str


async def listed(talk: Conversation, list_name: str, *, ipv6: bool = False) -> list[Listed]:
    """Every entry of the list, whoever made it."""
    rows = await talk.ask(f"{_menu(ipv6)}/print", where={"list": list_name}, fields=_ENTRY)
    return [_listed(row) for row in rows]


async def put_address(
    talk: Conversation, list_name: str, address: str, *, why: str, timeout_s: int
) -> None:
    """Have the address in the list for so long from now; again, and the time begins anew.

    Raises:
        WillNot: somebody else has put it there, so it is not ours to end.
    """
    menu = _menu(_is_ipv6(address))
    for entry in await _entries(talk, list_name, address):
        if not entry.is_ours:
            raise WillNot(
                talk.nas,
                f"{address} is in the address list {list_name} already, and not by us",
                "take that entry out",
            )
        await talk.ask(f"{menu}/remove", {".id": entry.row})
    await talk.ask(
        f"{menu}/add",
        {
            "list": list_name,
            "address": address,
            "comment": f"{OURS} {why}",
            "timeout": f"{max(timeout_s, 1)}s",
        },
    )


async def remove_address(talk: Conversation, list_name: str, address: str) -> None:
    """Take our entry out of the list.

    Raises:
        NotThere: there is none of ours.
    """
    ours = [one for one in await _entries(talk, list_name, address) if one.is_ours]
    if not ours:
        raise NotThere(talk.nas, f"{address} is not in the address list {list_name} by us", "")
    for entry in ours:
        await talk.ask(f"{_menu(_is_ipv6(address))}/remove", {".id": entry.row})


async def secrets(talk: Conversation) -> Sequence[PppSecret]:
    """Every PPP secret of the router, for import.  Read only."""
    return [
        PppSecret(
            name=row.get("name", ""),
            password=Secret(from_text(row["password"])) if row.get("password") else None,
            service=row.get("service", ""),
            profile=row.get("profile", ""),
            remote_address=row.get("remote-address", ""),
            caller_id=row.get("caller-id", ""),
            is_disabled=row.get("disabled") == "true",
            comment=row.get("comment", ""),
        )
        for row in await talk.ask("/ppp/secret/print", fields=_SECRET)
    ]


async def _entries(talk: Conversation, list_name: str, address: str) -> list[Listed]:
    """Those of this address; the router may write it with its length."""
    found = await listed(talk, list_name, ipv6=_is_ipv6(address))
    return [one for one in found if _same(one.address, address)]


def _same(written: str, address: str) -> bool:
    try:
        return ip_network(written) == ip_network(address)
    except ValueError:
        return False  # a name, or a range


def _is_ipv6(address: str) -> bool:
    return ":" in address


def _menu(ipv6: bool) -> str:
    return "/ipv6/firewall/address-list" if ipv6 else "/ip/firewall/address-list"


def _listed(row: Row) -> Listed:
    return Listed(
        row=row.get(".id", ""),
        list_name=row.get("list", ""),
        address=row.get("address", ""),
        comment=row.get("comment", ""),
        timeout_s=seconds(row.get("timeout", "")),
    )
