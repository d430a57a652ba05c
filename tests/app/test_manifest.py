import json
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest

from app.manifest import MISTAKES_TOLD_MAX, Manifest, parse
from app.manifest_file import read, reply_check
from core import config
from core.errors import Invalid
from core.secret import Secret
from dictionaries.loader import load
from nas_adapters.profile import NAME_OCTETS_MAX, Burst

DICTIONARY = load()
CHECK = reply_check(DICTIONARY)
NAS: dict[str, Any] = {"name": "bras-1", "address": "192.0.2.1", "secret": "s3cret"}
PLAN: dict[str, Any] = {"code": "home-50", "download": "50M", "upload": "20M"}
SUBSCRIBER: dict[str, Any] = {"username": "alice", "password": "hunter2", "plan": "home-50"}

# The format as it was agreed; other programs write it.
AGREED = r"""
tenant = "demo-isp"
[[nas]]
name = "bras-1"
address = "192.0.2.1/32"            # address or network, v4 or v6
secret = "..."
vendor = "mikrotik"                 # generic if left out
require_message_authenticator = true
[[plan]]
code = "home-50"
download = "50M"                    # bit/s, decimal: 50M = 50_000_000
upload = "20M"
burst = { download = "80M", upload = "30M", threshold = "40M", time_s = 16 }
session_limit = 1
at_limit = "reject"
session_timeout_s = 86400
interim_s = 300
address_pool = "pool-a"
[[subscriber]]
username = "pppoe-1042"
password = "..."
plan = "home-50"
status = "active"
when_suspended = "reject"
bind_nas = ["bras-1"]
bind_mac = ["02:00:5e:10:00:01"]
static_ipv4 = "203.0.113.9"
static_ipv6_prefix = "2001:db8:1:42::/64"
delegated_ipv6 = "2001:db8:42::/56"
expires_at = 2027-01-01T00:00:00Z
reply = { Reply-Message = "Welcome", Class = "0x00ff10" }
"""


def manifest(**document: Any) -> Manifest:
    return parse(document, CHECK)


def refusal(**document: Any) -> str:
    with pytest.raises(Invalid) as caught:
        manifest(**document)
    return str(caught.value)


def test_the_agreed_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "isp.toml"
    path.write_text(AGREED)
    read_back = read(path, DICTIONARY)
    assert read_back.tenant == "demo-isp"
    [nas], [plan], [subscriber] = read_back.nases, read_back.plans, read_back.subscribers
    assert (nas.spec.name, str(nas.spec.address), nas.secret) == (
        "bras-1",
        "192.0.2.1/32",
        Secret(b"..."),
    )
    assert (plan.download_bps, plan.upload_bps) == (50_000_000, 20_000_000)
    assert plan.burst == Burst(80_000_000, 30_000_000, 40_000_000, 16)
    assert subscriber.spec.valid_until == datetime(2027, 1, 1, tzinfo=UTC)
    assert subscriber.spec.bind_mac == ("02005e100001",)
    assert subscriber.spec.delegated_ipv6 == IPv6Network("2001:db8:42::/56")
    assert subscriber.spec.reply == {"Reply-Message": "Welcome", "Class": "0x00ff10"}


def test_what_is_left_out_has_its_default() -> None:
    made = manifest(nas=[NAS], plan=[{"code": "p"}], subscriber=[SUBSCRIBER])
    [nas], [plan], [subscriber] = made.nases, made.plans, made.subscribers
    assert (nas.spec.vendor, nas.spec.identifier) == ("generic", "")
    assert nas.spec.require_message_authenticator
    assert (plan.download_bps, plan.session_limit, plan.at_limit) == (None, 0, "reject")
    assert (plan.session_timeout_s, plan.interim_s) == (None, 300)
    assert (subscriber.status, subscriber.spec.when_suspended) == (None, "reject")
    assert manifest() == Manifest(None, (), (), ())


@pytest.mark.parametrize(
    "notation", ["02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001", "02005E100001"]
)
def test_a_mac_in_any_notation_is_the_same(notation: str) -> None:
    [subscriber] = manifest(subscriber=[SUBSCRIBER | {"bind_mac": [notation]}]).subscribers
    assert subscriber.spec.bind_mac == ("02005e100001",)


@pytest.mark.parametrize(
    ("written", "stored"),
    [("alice", "alice"), ("DOM\\user", "DOM\\\\user"), ("a\\xffb", "a\\xffb"), ("été", "été")],
)
def test_names_are_stored_as_listings_show_them(written: str, stored: str) -> None:
    [subscriber] = manifest(subscriber=[SUBSCRIBER | {"username": written}]).subscribers
    assert subscriber.spec.username == stored


@pytest.mark.parametrize(
    "written",
    ["2027-01-01T00:00:00Z", "2027-01-01T02:00:00+02:00",
     datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))],
)  # fmt: skip
def test_a_moment_is_the_same_in_every_zone(written: object) -> None:
    [subscriber] = manifest(subscriber=[SUBSCRIBER | {"expires_at": written}]).subscribers
    assert subscriber.spec.valid_until == datetime(2027, 1, 1, tzinfo=UTC)


def mistake(kind: str, key: str, value: object, expected: str) -> Any:
    base = {"nas": NAS, "plan": PLAN, "subscriber": SUBSCRIBER}[kind]
    return pytest.param(
        {kind: [base | {key: value}]},
        f"{kind}[0].{key}",
        expected,
        id=f"{kind} {key} {value!r:.40}",
    )


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        mistake("nas", "adress", "192.0.2.1", "unknown key (did you mean address?)"),
        mistake("nas", "name", "", "1 to 100 characters"),
        mistake("nas", "name", "bras\x00", "no control characters"),
        mistake("nas", "name", " bras", "no space at either end"),
        mistake("nas", "name", 7, "not a text"),
        mistake("nas", "address", "bras.example", "write an address or a network"),
        mistake("nas", "address", "192.0.2.1/24", "write 192.0.2.0/24, or 192.0.2.1/32"),
        mistake("nas", "address", "192.0.2.1/33", "write an address or a network"),
        mistake("nas", "address", "fe80::1%eth0", "%"),
        mistake("nas", "address", "::ffff:192.0.2.1", "write 192.0.2.1"),
        mistake("nas", "secret", "", "as on the NAS"),
        mistake("nas", "vendor", "mikrotick", "there are accel_ppp, cambium, cisco"),
        mistake("nas", "identifier", "a\\x00", "holds a NUL"),
        mistake("nas", "require_message_authenticator", "yes", "write true or false"),
        mistake("nas", "coa_port", 0, "a number from 1 to 65535"),
        mistake("nas", "coa_secret", "", "as on the NAS"),
        mistake("nas", "swap_octets", 1, "write true or false"),
        mistake("nas", "line_rate", "1Gbit", "write a rate as 50M"),
        mistake("nas", "octet_unit", "kbyte", "write one of: octet, kB, KiB"),
        mistake("nas", "line_patterns", {"circuit_id": "("}, "NAS bras-1: pattern of circuit_id"),
        mistake("nas", "line_patterns", {"port": "(?P<port>.)"}, "no name is called port"),
        mistake("nas", "line_patterns", "x", "write a table"),
        mistake("nas", "name_templates", {"service": "{plan}"}, "NAS bras-1: template of service"),
        mistake("plan", "on_nas", {"vlan": 4095}, "write a number from 1 to 4094"),
        mistake("plan", "on_nas", {"qos_profil": "x"}, "(did you mean qos_profile?)"),
        mistake("plan", "on_nas", {"service": ""}, "write 1 to 200 octets"),
        mistake("plan", "download", "50Mbit", "write a rate as 50M"),
        mistake("plan", "download", 0, "leave it out for no limit"),
        mistake("plan", "session_limit", -1, "a number from 0 to"),
        mistake("plan", "session_limit", True, "a whole number"),
        mistake("plan", "at_limit", "kick", "one of: reject, kick_oldest"),
        mistake("plan", "session_timeout_s", 2**32, "from 1 to 4294967295"),
        mistake("plan", "interim_s", 30, "no less than 60 seconds"),
        mistake("plan", "burst", {"download": "80M"}, "burst.upload (home-50): missing"),
        mistake("plan", "burst", {"download": "10M", "upload": "30M"}, "slower than the plan"),
        mistake("plan", "burst", "80M", "write a table"),
        mistake("plan", "address_pool", "p" * 201, "1 to 200 octets"),
        mistake("plan", "price", 10, "unknown key"),
        mistake("subscriber", "pasword", "x", "unknown key (did you mean password?)"),
        mistake("subscriber", "username", "alice\x00", "holds a NUL"),
        mistake("subscriber", "username", "x" * 254, "1 to 253 octets"),
        mistake("subscriber", "username", "\ud800", "half a character"),
        mistake("subscriber", "password", "x" * 129, "1 to 128 octets"),
        mistake("subscriber", "password", "a\x00b", "holds a NUL"),
        mistake("subscriber", "status", "disabled", "one of: active, suspended"),
        mistake("subscriber", "when_suspended", "walled-garden", "one of: reject, walled_garden"),
        mistake("subscriber", "bind_nas", "bras-1", "write a list"),
        mistake("subscriber", "bind_mac", ["not-a-mac"], "no MAC address"),
        mistake("subscriber", "static_ipv4", "203.0.113.9/32", "one IPv4 address"),
        mistake("subscriber", "static_ipv4", "255.255.255.254", "a unicast one"),
        mistake("subscriber", "static_ipv4", "224.0.0.1", "a unicast one"),
        mistake("subscriber", "static_ipv6_prefix", "2001:db8::1", "with its length"),
        mistake("subscriber", "static_ipv6_prefix", "2001:db8::1/64", "write 2001:db8::/64"),
        mistake("subscriber", "delegated_ipv6", "10.0.0.0/8", "write an IPv6 prefix"),
        mistake("subscriber", "expires_at", datetime(2027, 1, 1), "zone is missing"),  # noqa: DTZ001
        mistake("subscriber", "expires_at", "soon", "2027-01-01T00:00:00Z"),
        mistake("subscriber", "expires_at", 1798761600, "2027-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_path_value_and_remedy(
    document: dict[str, Any], path: str, expected: str
) -> None:
    told = refusal(**document)
    assert told.startswith(path)
    assert expected in told


def test_names_in_the_settings_are_as_short_as_those_in_a_manifest() -> None:
    assert config.NAME_OCTETS_MAX == NAME_OCTETS_MAX


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"Reply-Mesage": "x"}, "reply.Reply-Mesage (alice) = 'x': no attribute is called"),
        ({"Session-Timeout": "abc"}, "reply.Session-Timeout (alice) = 'abc': not a number"),
        ({"Reply-Message": "x" * 254}, "254 octets; at most 253 fit"),
        ({"Class": True}, "write a text or a whole number"),
        ({"State": "x"}, "no place in a reply"),
        ({"Message-Authenticator": "0x00"}, "no place in a reply"),
        ({"Session-Timeout": 60}, "a key of its own sets it"),
        ({"Acct-Interim-Interval": 60}, "a key of its own sets it"),
        ({"Framed-IP-Address": "203.0.113.9"}, "a key of its own sets it"),
        ({"Framed-IPv6-Prefix": "2001:db8::/64"}, "a key of its own sets it"),
        ({"Delegated-IPv6-Prefix": "2001:db8::/56"}, "a key of its own sets it"),
        ({"MS-CHAP2-Success": "x"}, "no place in a reply"),
        ({"Acct-Status-Type": 1}, "no place in a reply"),
        ({"Error-Cause": 201}, "no place in a reply"),
        ({"Calling-Station-Id": "x"}, "no place in a reply"),
        ({"Tunnel-Password": "x"}, "hidden on the wire"),
        ({"Reply-Message": ["x" * 250] * 9}, "leave room"),
        ("Reply-Message = x", "write a table"),
    ],
)
def test_a_reply_is_checked_against_the_dictionary(reply: object, expected: str) -> None:
    assert expected in refusal(subscriber=[SUBSCRIBER | {"reply": reply}])


def test_a_reply_takes_what_no_other_key_says() -> None:
    reply = {
        "Framed-Pool": "pool-b",
        "Filter-Id": "list-1",
        "Idle-Timeout": 600,
        "Framed-Route": ["198.51.100.0/24 0.0.0.0 1"],
        "MS-Primary-DNS-Server": "192.0.2.53",
        "Class": "gold",
    }
    [subscriber] = manifest(subscriber=[SUBSCRIBER | {"reply": reply}]).subscribers
    assert subscriber.spec.reply == reply


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"tennant": "x"}, "tennant: unknown key (did you mean tenant?)"),
        ({"nas": {}}, "write a list of tables"),
        ({"nas": ["bras-1"]}, "nas[0] = 'bras-1': write a table"),
        ({"nas": [NAS, NAS]}, "nas: name bras-1 stands twice"),
        (
            {"nas": [NAS, NAS | {"name": "b", "address": "192.0.2.1/32"}]},
            "nas: address and identifier 192.0.2.1/32 stands twice",
        ),
        ({"plan": [PLAN, PLAN]}, "plan: code home-50 stands twice"),
        ({"subscriber": [SUBSCRIBER, SUBSCRIBER]}, "subscriber: username alice stands twice"),
        ({"subscriber": [{"username": "a"}]}, "subscriber[0].plan (a): missing; add it"),
        ({"plan": [{"code": "p", "burst": {"download": "1M", "upload": "1M"}}]}, "give download"),
    ],
)
def test_a_wrong_structure_is_told(document: dict[str, Any], expected: str) -> None:
    assert expected in refusal(**document)


def test_the_entry_is_named_because_an_index_is_hard_to_find() -> None:
    told = refusal(subscriber=[SUBSCRIBER, SUBSCRIBER | {"username": "bob", "pasword": "x"}])
    assert told.startswith("subscriber[1].pasword (bob): unknown key (did you mean password?)")


def test_every_wrong_entry_is_told_but_not_without_end() -> None:
    wrong = [SUBSCRIBER | {"username": f"u{n}", "status": "?"} for n in range(50)]
    lines = refusal(subscriber=wrong).splitlines()
    assert len(lines) == MISTAKES_TOLD_MAX + 1
    assert lines[-1] == "and 30 more mistakes"


def test_secrets_are_not_told() -> None:
    told = refusal(
        nas=[NAS | {"secret": "hunter2\n"}, NAS | {"name": "b", "coa_secret": "hunter2\n"}],
        subscriber=[SUBSCRIBER | {"password": 12345}],
    )
    assert "hunter2" not in told
    assert "12345" not in told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"tenant = ", "is not TOML"),
        (b'{"tenant": ', "is not JSON"),
        (b'tenant = "\xff"', "is not UTF-8"),
        (b'{"tenant": "a", "tenant": "b"}', "the key 'tenant' stands twice"),
        (b"[1]", "1: unknown key"),
        (b'[[subscriber]]\nusername = "a"', "isp.toml: subscriber[0].plan (a): missing"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "isp.toml"
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        read(path, DICTIONARY)
    assert expected in str(caught.value)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file or directory"):
        read(tmp_path / "gone.toml", DICTIONARY)


def test_json_is_told_by_its_first_character(tmp_path: Path) -> None:
    path = tmp_path / "whatever"
    path.write_text(json.dumps({"nas": [NAS]}))
    assert len(read(path, DICTIONARY).nases) == 1
