"""What a manifest says of the ways into a NAS beside RADIUS: `[nas.api]` and `[nas.snmp]`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid
from core.secret import Secret
from nas_adapters import api_access
from nas_adapters.api_access import (
    API_KINDS,
    AUTHENTICATIONS,
    OLTS,
    PRIVACIES,
    ROUTEROS,
    SNMP,
    UNIFI,
    ApiSpec,
    SnmpSpec,
)
from nas_adapters.api_registry import API
from nas_adapters.vendors import VENDORS

KEYS: Final = (API, SNMP)
COMMUNITY_OCTETS_MAX: Final = 64
KEY_OCTETS_MIN: Final = 8  # RFC 3414 §11.2


@dataclass(frozen=True, slots=True)
class WayEntry:
    way: str
    spec: ApiSpec | SnmpSpec
    secrets: Mapping[str, Secret]  # those that are left out stay as they are


def ways(table: Table, vendor: str) -> tuple[WayEntry, ...]:
    """Both ways of a NAS, as far as its table names them; the others it has not."""
    api, snmp = table.inner(API), table.inner(SNMP)
    found = [_api(api, vendor)] if api else []
    if snmp:
        found.append(_snmp(snmp))
    return tuple(found)


def _api(table: Table, vendor: str) -> WayEntry:
    table.only(
        *("kind", "address", "port", "username", "password", "tls", "fingerprint", "site"),
    )
    kind = table.take("kind", values.one_of(*API_KINDS), VENDORS[vendor].abilities.api or None)
    if kind is None:
        raise table.wrong("kind", f"missing: {vendor} has no API that we know, so say which")
    spec = ApiSpec(
        kind=kind,
        username=table.need("username", values.attribute_text),
        address=table.take("address", _host, ""),
        port=table.take("port", values.whole(1, 65535), None),
        tls=table.take("tls", values.flag, True),
        fingerprint=table.take("fingerprint", _fingerprint, ""),
        site=table.take("site", values.name, ""),
    )
    if kind == UNIFI and not spec.tls:
        raise table.wrong("tls", "a UniFi controller speaks TLS alone: leave it out")
    if kind == ROUTEROS and spec.site:
        raise table.wrong("site", "only a UniFi controller has sites: leave it out")
    if spec.fingerprint and not spec.tls:
        raise table.wrong("fingerprint", "without TLS there is no certificate: leave it out")
    return WayEntry(API, spec, _secrets(table, "password"))


def _snmp(table: Table) -> WayEntry:
    table.only(
        *("version", "address", "port", "community", "username"),
        *("auth", "auth_key", "privacy", "privacy_key", "olt"),
    )
    version = table.take("version", values.one_of("2c", "3"), "2c")
    foreign = ("community",) if version == "3" else ("username", "auth", "auth_key", "privacy")
    for key in (*foreign, *(() if version == "3" else ("privacy_key",))):
        if key in table.names():
            other = "2c" if version == "3" else "3"
            raise table.wrong(key, f'of version "{other}": leave it out, or say that version')
    spec = SnmpSpec(
        version=version,
        address=table.take("address", _host, ""),
        port=table.take("port", values.whole(1, 65535), None),
        username=table.need("username", values.name) if version == "3" else "",
        auth=table.take("auth", values.one_of(*AUTHENTICATIONS), "sha256"),
        privacy=table.take("privacy", values.one_of(*PRIVACIES), "aes128"),
        olt=table.take("olt", values.one_of(*OLTS), ""),
    )
    names = ("auth_key", "privacy_key") if version == "3" else ("community",)
    return WayEntry(SNMP, spec, _secrets(table, *names))


def _secrets(table: Table, *names: str) -> dict[str, Secret]:
    parse = {"community": _community, "auth_key": _key, "privacy_key": _key}
    return {
        name: secret
        for name in names
        if (secret := table.take(name, parse.get(name, values.shared_secret), None, is_secret=True))
        is not None
    }


def _host(value: object) -> str:
    """An address or a name of DNS, without a port."""
    text = values.string(value)
    if not 1 <= len(text) <= 253 or not text.isascii() or not text.isprintable():
        raise Invalid("write an address or a name of DNS")
    if any(char in text for char in "/ @[]") or text.count(":") == 1:
        raise Invalid("write the address alone, and the port as port")
    return text


def _fingerprint(value: object) -> str:
    found = api_access.fingerprint(values.string(value))
    if found is None:
        raise Invalid(
            "write the SHA-256 of the certificate, 64 hex digits "
            "(openssl x509 -noout -fingerprint -sha256)"
        )
    return found


def _community(value: object) -> Secret:
    secret = values.shared_secret(value)
    if len(secret.octets) > COMMUNITY_OCTETS_MAX:
        raise Invalid(f"write no more than {COMMUNITY_OCTETS_MAX} octets")
    return secret


def _key(value: object) -> Secret:
    secret = values.shared_secret(value)
    if len(secret.octets) < KEY_OCTETS_MIN:
        raise Invalid(f"write {KEY_OCTETS_MIN} characters or more (RFC 3414)")
    return secret
