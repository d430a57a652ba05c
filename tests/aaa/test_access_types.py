"""Who is asking, and who needs no password: by line, ONU and device, through the directory."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from aaa import ways
from aaa.directory import Directory
from aaa.enforcement import Live
from aaa.enforcement_view import View
from aaa.finding import code_of
from aaa.policy import Hold
from aaa.records import Quota, SubscriberRecord, Used
from aaa.rendering import Renderer
from core.radius.packet import parse
from core.radius.responder import Source
from core.secret import Secret
from nas_adapters.identity import NO_PATTERNS, Kind, Line
from nas_adapters.profile import ServiceProfile
from nas_adapters.secrets import seal_secret
from nas_adapters.vendors import VENDORS
from tests.aaa.world import BRAS, HOME, OTHER_BRAS, SECRET, TENANT, World, dictionary
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    Answer,
    access_request,
    chap,
    pap_request,
    tlv,
    vsa,
)

FOREIGN: Source = ("192.0.2.9", 40_000, b"")
PPP = tlv(7, 1) + tlv(6, 2)
WIRELESS = tlv(61, 19)
HOST_IP = vsa(14988, 10, b"\x0a\0\0\x07")
OWN, OTHERS = "02:00:5E:10:00:01", "02:00:5E:10:00:02"
CIRCUIT = b"OLT1 xpon 0/1/0/3:12.100"
PATTERN = {
    "circuit_id": r"^(?P<node>\S+) xpon (?P<frame>\d+)/(?P<slot>\d+)/(?P<subslot>\d+)/"
    r"(?P<port>\d+):(?P<onu>\d+)"
}
REGISTRATION = replace(HOME, id=9, code="registration", session_timeout_s=None, session_limit=1)


def adsl(circuit: bytes = b"", remote: bytes = b"") -> bytes:
    """RFC 4679 §3.3.1."""
    return (vsa(3561, 1, circuit) if circuit else b"") + (vsa(3561, 2, remote) if remote else b"")


def redback(circuit: bytes = b"", remote: bytes = b"") -> bytes:
    return (vsa(2352, 97, circuit) if circuit else b"") + (vsa(2352, 96, remote) if remote else b"")


class Isp(World):
    """A world with boxes to choose, and one of another tenant."""

    def boxes(
        self,
        vendor: str,
        patterns: Mapping[str, str] | None = None,
        *,
        unknown: int = 0,
    ) -> None:
        told = {
            number: replace(
                nas, vendor=vendor, line_patterns=dict(patterns or {}), unknown_profile_id=unknown
            )
            for number, nas in self.nases.items()
        }
        foreign = replace(
            told[1],
            id=3,
            tenant_id=TENANT + 1,
            name="foreign",
            network=f"{FOREIGN[0]}/32",
            secret_sealed=seal_secret(self.vault, TENANT + 1, 3, Secret(SECRET)),
        )
        self.writer.put_tables({**told, 3: foreign}, {REGISTRATION.id: REGISTRATION})

    def directory_of_its_own(self) -> Directory:
        """As another process opens it."""
        return Directory(self.environment)

    def found_by(
        self, name: str, *found: str, number: int = 2, password: str | None = None, **more: object
    ) -> None:
        """A subscriber with these ways; without a password unless one is given."""
        record = replace(SubscriberRecord(0, HOME.id, b"", 0), ways=found, **more)
        if password is not None:
            self.add(name, record, number=number, password=password)
        else:
            record = replace(record, id=number)
            self.writer.put_subscribers({number: (TENANT, name.encode(), record)})

    def ask(self, *attributes: bytes, source: Source = BRAS) -> Answer:
        """Without any proof."""
        self._drawn += 1
        return self.answer(
            access_request(b"".join(attributes), secret=SECRET, identifier=self._drawn % 256),
            source,
        )

    def last(self) -> tuple[int, str, str, str]:
        """Subscriber, method, reason and what `known` looked at, of the last decision."""
        told = self.decisions()[-1]
        return told.subscriber_id, told.method, told.reason, told.trace[0][1]


@pytest.fixture
def isp(tmp_path: Path) -> Iterator[Isp]:
    made = Isp(tmp_path)
    made.boxes("mikrotik")
    yield made
    made.decision_log.close()


def circuit(value: str, nas_id: int = 0) -> str:
    return ways.on_line("circuit_id", nas_id, value)


def device(address: str) -> str:
    return ways.by_device("mac", address.replace(":", "").lower())


# --- lines -------------------------------------------------------------------


@pytest.mark.parametrize("carried", [adsl, redback])
def test_a_line_needs_no_password(isp: Isp, carried: object) -> None:
    isp.found_by("fibre-7", circuit("OLT1 xpon 0/1/0/3:12.100"))
    answer = isp.ask(tlv(1, OWN), tlv(31, OWN), carried(CIRCUIT))  # type: ignore[operator]
    assert answer.code == ACCESS_ACCEPT
    assert answer.all(25)[0].startswith(b"ai:%016x" % 2)
    assert isp.last() == (2, "line", "", "found by circuit_id OLT1 xpon 0/1/0/3:12.100")


def test_the_name_of_a_line_is_one_nas_s_or_any_nas_s(isp: Isp) -> None:
    """Two boxes may both have an eth 0/1: the narrower claim wins."""
    isp.found_by("anywhere", circuit("eth 0/1"), number=2)
    isp.found_by("at-one", circuit("eth 0/1", 1), number=3)
    for source, number in ((BRAS, 3), (OTHER_BRAS, 2)):
        assert isp.ask(tlv(1, "x"), adsl(b"eth 0/1"), source=source).code == ACCESS_ACCEPT
        assert isp.last()[0] == number
    isp.found_by("at-one", circuit("eth 0/2", 1), number=3)
    assert isp.ask(tlv(1, "x"), adsl(b"eth 0/2"), source=OTHER_BRAS).code == ACCESS_REJECT


def test_what_a_pattern_finds_is_asked_before_the_name_as_it_is(isp: Isp) -> None:
    """nas.md §5.4: OLT, path and ONU; however the name goes on (VLAN, serial), and whatever the
    number of zeros, it is the same line."""
    isp.boxes("juniper", PATTERN)
    place = ways.place(Line(node="OLT1", frame="0", slot="1", subslot="0", port="3", onu="12"))
    assert place == "OLT1 0/1/0/3:12"
    isp.found_by("fibre-7", ways.on_line("line", 0, place))
    isp.found_by("by-text", circuit(CIRCUIT.decode()), number=3)
    for name in (CIRCUIT, b"OLT1 xpon 0/01/0/03:12.4000/HWTC00000001"):
        assert isp.ask(tlv(1, "x"), adsl(name)).code == ACCESS_ACCEPT
        assert isp.last() == (2, "line", "", f"found by line {place}")


def test_circuit_before_remote_before_serial_before_duid_before_mac(isp: Isp) -> None:
    client = "00030001" + OWN.replace(":", "").lower()
    found = [
        circuit("line-1"),
        ways.on_line("remote_id", 0, "HWTC1A2B3C4D"),
        ways.by_device("onu_serial", "HWTC1A2B3C4D"),
        ways.by_device("duid", client),
        device(OWN),
    ]
    for number, way in enumerate(found, 2):
        isp.found_by(f"s{number}", way, number=number)
    request = (tlv(1, bytes.fromhex(client)), tlv(31, OWN), adsl(b"line-1", b"HWTC1A2B3C4D"))
    for number in range(2, 7):
        assert isp.ask(*request).code == ACCESS_ACCEPT
        assert isp.last()[0] == number
        isp.writer.put_subscribers({number: None})
    assert isp.ask(*request).code == ACCESS_REJECT
    known = isp.last()[3]
    assert known.startswith("no such subscriber: circuit_id line-1, remote_id HWTC1A2B3C4D, onu_")


@pytest.mark.parametrize(
    "spelled",
    [b"HWTC1A2B3C4D", b"hwtc-1a2b3c4d", b"485754431A2B3C4D", bytes.fromhex("485754431A2B3C4D")],
)
def test_an_onu_is_found_by_its_serial_in_every_spelling(isp: Isp, spelled: bytes) -> None:
    isp.found_by("fibre-7", ways.by_device("onu_serial", "HWTC1A2B3C4D"))
    assert isp.ask(tlv(1, "x"), adsl(b"somewhere", spelled)).code == ACCESS_ACCEPT
    assert isp.last()[3] == "found by onu_serial HWTC1A2B3C4D"


@pytest.mark.parametrize("said", ["0x00030001", "00:03:00:01:"])
def test_a_client_of_dhcpv6_is_found_by_its_duid(isp: Isp, said: str) -> None:
    isp.found_by("v6", ways.by_device("duid", "0003000102005e100001"))
    name = said + (OWN if ":" in said else OWN.replace(":", ""))
    assert isp.ask(tlv(1, name), tlv(31, OWN)).code == ACCESS_ACCEPT
    assert isp.last() == (2, "line", "", "found by duid 0003000102005e100001")


def test_what_a_box_sends_as_password_of_a_line_is_not_looked_at(isp: Isp) -> None:
    isp.found_by("fibre-7", circuit("line-1"), password="pppoe-too")
    assert isp.login("line-1@isp", "cisco", adsl(b"line-1")).code == ACCESS_ACCEPT


def test_strangers_do_not_lock_out_who_has_the_same_name_from_the_box(isp: Isp) -> None:
    """Some boxes name all lines alike, and tell no station."""
    isp.found_by("fibre-7", circuit("line-1"))
    for _ in range(30):
        assert isp.login("dhcp", "dhcp", adsl(b"line-9")).code == ACCESS_REJECT
    assert isp.last()[2] in ("unknown-user", "guessing")
    assert isp.login("dhcp", "dhcp", adsl(b"line-1")).code == ACCESS_ACCEPT


def test_a_name_that_its_pattern_does_not_fit_is_told_with_the_nas(isp: Isp) -> None:
    isp.boxes("juniper", PATTERN)
    assert isp.ask(tlv(1, "x"), adsl(b"eth 0/1")).code == ACCESS_REJECT
    assert isp.last()[3] == (
        "no such subscriber: circuit_id eth 0/1;"
        " NAS bras-1: circuit_id 'eth 0/1' is not of the form that its pattern describes"
    )


# --- devices -----------------------------------------------------------------


@pytest.mark.parametrize("spelled", [OWN, OWN.replace(":", "-").lower(), "0200.5e10.0001"])
@pytest.mark.parametrize("sent", ["", OWN, "02005e100001", "02-00-5E-10-00-01"])
def test_a_device_of_a_hotspot_needs_no_password(isp: Isp, spelled: str, sent: str) -> None:
    """Boxes send none, or the address again."""
    isp.found_by("tablet", device(OWN), password="for the login page")
    who = (tlv(31, OWN), HOST_IP, WIRELESS)
    assert isp.login(spelled, sent, *who).code == ACCESS_ACCEPT
    assert isp.last() == (2, "mac", "", "found by mac 02005e100001")
    challenge = bytes(range(16))
    chapped = (tlv(1, spelled), chap(sent.encode(), challenge), tlv(60, challenge))
    assert isp.ask(*chapped, *who).code == ACCESS_ACCEPT
    assert isp.ask(tlv(1, spelled), *who).code == ACCESS_ACCEPT


def test_the_one_word_of_a_box_is_the_password_of_its_devices(isp: Isp) -> None:
    isp.found_by("tablet", device(OWN), password="mac-auth-word")
    who = (tlv(31, OWN), HOST_IP)
    assert isp.login(OWN, "mac-auth-word", *who).code == ACCESS_ACCEPT
    assert isp.login(OWN, "wrong", *who).code == ACCESS_REJECT
    assert isp.last()[1:3] == ("pap", "password")
    challenge = bytes(range(16))
    for word, code in ((b"mac-auth-word", ACCESS_ACCEPT), (b"wrong", ACCESS_REJECT)):
        request = (tlv(1, OWN), chap(word, challenge), tlv(60, challenge), *who)
        assert isp.ask(*request).code == code


def test_two_proofs_are_none_for_a_device_either(isp: Isp) -> None:
    """RFC 2865 §4.1."""
    isp.found_by("tablet", device(OWN))
    challenge = bytes(range(16))
    more = (chap(b"", challenge), tlv(60, challenge), tlv(31, OWN), HOST_IP)
    assert isp.login(OWN, "", *more).code == ACCESS_REJECT
    assert isp.last()[2] == "two-proofs"


def test_a_hotspot_user_logs_in_by_name_with_chap(isp: Isp) -> None:
    isp.found_by("guest-7", password="arctangent")
    challenge = bytes(range(16))
    who = (tlv(1, "guest-7"), tlv(60, challenge), tlv(31, OTHERS), HOST_IP, WIRELESS)
    assert isp.ask(*who, chap(b"arctangent", challenge)).code == ACCESS_ACCEPT
    assert isp.ask(*who, chap(b"wrong", challenge)).code == ACCESS_REJECT


@pytest.mark.parametrize("typed", ["7HG4K2QX", "7hg4k2qx", "7hg4-k2qx", " 7HG4 K2QX "])
def test_a_voucher_code_may_be_typed_in_small_letters_and_groups(isp: Isp, typed: str) -> None:
    isp.found_by("7HG4K2QX", password="s3cret")
    assert isp.login(typed, "s3cret", HOST_IP).code == ACCESS_ACCEPT
    assert isp.last()[3] == ("found by name" if typed == "7HG4K2QX" else "found by code")
    assert isp.login(typed, "wrong", HOST_IP).code == ACCESS_REJECT
    if typed != "7HG4K2QX":  # elsewhere a name is exact
        assert isp.login(typed, "s3cret", PPP).code == ACCESS_REJECT


@pytest.mark.parametrize(
    "name", [b"", b"short", b"7HG4K2QX", b"\xff\xfe\xfd\xfc\xfb\xfa", b"a@b.example"]
)
def test_what_is_no_code_or_written_as_one_is_looked_for_once(name: bytes) -> None:
    assert code_of(name) is None


# --- attackers ---------------------------------------------------------------


def test_a_session_of_ppp_is_a_name_and_a_password_whatever_it_looks_like(isp: Isp) -> None:
    isp.found_by("fibre-7", circuit("line-1"), device(OWN), number=2)
    for name in ("fibre-7", OWN, "line-1"):
        for more in ((), (tlv(31, OWN),), (tlv(31, OWN), adsl(b"line-1"))):
            assert isp.ask(PPP, tlv(1, name), *more).code == ACCESS_REJECT
            for password in ("", OWN, "anything"):
                assert isp.login(name, password, PPP, *more).code == ACCESS_REJECT
                isp.clock.at += 120.0
    isp.found_by("fibre-7", circuit("line-1"), device(OWN), number=2, password="own")
    assert isp.login("fibre-7", "wrong", PPP, adsl(b"line-1")).code == ACCESS_REJECT
    assert isp.login("fibre-7", "own", PPP, adsl(b"line-1")).code == ACCESS_ACCEPT


@pytest.mark.parametrize("name", VENDORS)
def test_of_ppp_every_dialect_says_what_is_taken_for_granted(name: str) -> None:
    """`finding` does not ask it then."""
    for more in (b"", tlv(31, OWN), tlv(6, 6), tlv(31, OWN) + adsl(CIRCUIT) + HOST_IP):
        request = parse(access_request(PPP[:6] + tlv(1, OWN) + more, secret=SECRET))
        assert VENDORS[name].identify(request, NO_PATTERNS).kind is Kind.PPPOE


def test_another_s_address_in_the_name_proves_nothing(isp: Isp) -> None:
    """Typed on a login page; the NAS says from where."""
    isp.found_by("tablet", device(OWN))
    for more in ((HOST_IP,), (HOST_IP, WIRELESS), (), (WIRELESS,)):
        for password in ("", OWN):
            assert isp.login(OWN, password, tlv(31, OTHERS), *more).code == ACCESS_REJECT
            assert isp.login(OWN, password, *more).code == ACCESS_REJECT, "nor without a station"
    assert {told.subscriber_id for told in isp.decisions()} == {0}


@pytest.mark.parametrize("name", ["HWTC1A2B3C4D", "00:03:00:01:" + OWN])
def test_what_a_caller_can_type_is_no_proof_of_his_line(isp: Isp, name: str) -> None:
    """A serial or a DUID as User-Name, on a box that lets callers choose theirs."""
    isp.found_by("onu", ways.by_device("onu_serial", "HWTC1A2B3C4D"), number=2)
    isp.found_by("v6", ways.by_device("duid", "0003000102005e100001"), device(OWN), number=3)
    for vendor in ("generic", "mikrotik", "cisco"):
        isp.boxes(vendor)
        for more in ((), (tlv(31, OTHERS),), (tlv(31, "203.0.113.9"),)):
            assert isp.ask(tlv(1, name), *more).code == ACCESS_REJECT
            assert isp.login(name, "", *more).code == ACCESS_REJECT


def test_a_mac_address_that_reads_as_a_serial_is_none(isp: Isp) -> None:
    """Four letters that are hexadecimal digits as well, on a card of one's own choice."""
    isp.found_by("onu", ways.by_device("onu_serial", "ABCDEF012345"))
    who = (tlv(1, "abcdef012345"), tlv(31, "AB:CD:EF:01:23:45"))
    assert isp.ask(*who).code == ACCESS_REJECT
    assert isp.ask(*who, adsl(b"", b"ABCDEF012345")).code == ACCESS_ACCEPT, "the access node's word"


def test_where_the_box_makes_names_up_they_are_its_word(isp: Isp) -> None:
    isp.found_by("onu", ways.by_device("onu_serial", "HWTC1A2B3C4D"))
    isp.boxes("huawei_bng")  # Service-Type of Outbound: nobody is asked for a name
    assert isp.ask(tlv(1, "HWTC1A2B3C4D"), tlv(6, 5)).code == ACCESS_ACCEPT
    isp.boxes("accel_ppp")  # all but PPP is IPoE
    assert isp.ask(tlv(1, "HWTC1A2B3C4D")).code == ACCESS_ACCEPT
    assert isp.ask(tlv(1, "HWTC1A2B3C4D"), PPP).code == ACCESS_REJECT


def test_a_line_of_another_tenant_s_box_is_none_of_ours(isp: Isp) -> None:
    isp.found_by("fibre-7", circuit("line-1"), circuit("line-1", 3), device(OWN))
    request = (tlv(1, OWN), tlv(31, OWN), adsl(b"line-1"))
    assert isp.ask(*request, source=FOREIGN).code == ACCESS_REJECT
    assert isp.ask(*request).code == ACCESS_ACCEPT


def test_a_subscriber_is_nobody_at_the_box_itself(isp: Isp) -> None:
    """Service-Type Administrative: whoever wants to administer the router."""
    assert isp.login("nemo", "arctangent", tlv(6, 6)).code == ACCESS_REJECT
    assert isp.last()[3] == "no such subscriber: admin access, which is no subscriber's"


def test_a_password_that_cannot_be_read_lets_no_device_in(isp: Isp) -> None:
    """Whether the box's word was right, nobody can tell."""
    isp.found_by("tablet", device(OWN), number=2)
    record = replace(
        SubscriberRecord(2, HOME.id, b"sealed with a lost key", 0), ways=(device(OWN),)
    )
    isp.writer.put_subscribers({2: (TENANT, b"tablet", record)})
    assert isp.login(OWN, "mac-auth-word", tlv(31, OWN), HOST_IP).code == ACCESS_REJECT


def test_lines_are_under_the_same_rules_as_names(isp: Isp) -> None:
    hold = Hold("staff", "reject", 0, 0)
    isp.found_by("fibre-7", circuit("line-1"), holds=(hold,))
    assert isp.ask(tlv(1, "x"), adsl(b"line-1")).code == ACCESS_REJECT
    assert isp.last()[2] == "suspended"
    isp.found_by("fibre-7", circuit("line-1"), holds=(replace(hold, effect="walled_garden"),))
    answer = isp.ask(tlv(1, "x"), adsl(b"line-1"))
    assert answer.code == ACCESS_ACCEPT
    assert (19, b"garden") in answer.of_vendor(14988)


# --- whom nobody knows -------------------------------------------------------


def test_an_unknown_device_is_let_into_the_registration_profile(isp: Isp) -> None:
    isp.boxes("mikrotik", unknown=REGISTRATION.id)
    for request in (
        (tlv(1, OWN), tlv(31, OWN), HOST_IP),
        (tlv(1, OTHERS), tlv(31, OTHERS), adsl(b"line-1")),
        (tlv(1, OTHERS), tlv(31, OTHERS), adsl(b"line-1")),
    ):
        answer = isp.ask(*request)
        assert answer.code == ACCESS_ACCEPT, "and no limit of sessions counts nobody's"
        assert answer.all(25)[0].startswith(b"ai:" + b"0" * 16)
        assert answer.all(27) == [(600).to_bytes(4, "big")], "soon he may be known"
        assert isp.last()[:3] == (0, "unknown", "")
    assert isp.last()[3] == ("found by unknown device: circuit_id line-1, mac 02005e100002")
    isp.found_by("fibre-7", circuit("line-1"))
    assert isp.ask(tlv(1, OTHERS), tlv(31, OTHERS), adsl(b"line-1")).code == ACCESS_ACCEPT
    assert isp.last()[0] == 2


def test_only_devices_are_strangers_and_names_are_not(isp: Isp) -> None:
    isp.boxes("mikrotik", unknown=REGISTRATION.id)
    assert isp.login("mallory", "x", PPP).code == ACCESS_REJECT
    assert isp.login("mallory", "x", HOST_IP).code == ACCESS_REJECT
    assert isp.login("nemo", "wrong", adsl(b"line-1")).code == ACCESS_REJECT, "he is known"
    isp.boxes("mikrotik", unknown=77)
    assert isp.ask(tlv(1, OWN), tlv(31, OWN)).code == ACCESS_REJECT
    assert isp.last()[2] == "no-plan"


def test_a_quota_of_the_registration_profile_is_nobody_s(isp: Isp) -> None:
    quota = Quota(1, None, "total", "block", None, None, False)
    isp.boxes("mikrotik", unknown=REGISTRATION.id)
    isp.writer.put_tables({}, {REGISTRATION.id: replace(REGISTRATION, quota=quota)})
    assert isp.ask(tlv(1, OWN), tlv(31, OWN)).code == ACCESS_ACCEPT


def test_over_quota_a_line_is_in_the_garden_and_not_out(isp: Isp) -> None:
    quota = Quota(1, None, "total", "walled_garden", None, None, False)
    isp.writer.put_tables({}, {HOME.id: replace(HOME, quota=quota)})
    isp.found_by("fibre-7", circuit("line-1"), quota=Used(0, 5, 0))
    answer = isp.ask(tlv(1, "x"), adsl(b"line-1"))
    assert (19, b"garden") in answer.of_vendor(14988)


# --- the directory -----------------------------------------------------------


def test_a_way_that_is_given_up_is_found_no_longer_and_two_may_swap(isp: Isp) -> None:
    isp.found_by("a", circuit("line-1"), number=2)
    isp.found_by("b", circuit("line-2"), number=3)
    swapped = {
        number: (TENANT, name, SubscriberRecord(number, HOME.id, b"", 0, ways=(circuit(way),)))
        for number, name, way in ((2, b"a", "line-2"), (3, b"b", "line-1"))
    }
    isp.writer.put_subscribers(dict(swapped))
    for way, number in (("line-1", 3), ("line-2", 2)):
        assert isp.ask(tlv(1, "x"), adsl(way.encode())).code == ACCESS_ACCEPT
        assert isp.last()[0] == number
    # The same in two commits, either one first.
    isp.found_by("a", circuit("line-1"), number=2)
    isp.found_by("b", circuit("line-2"), number=3)
    for way, number in (("line-1", 2), ("line-2", 3)):
        assert isp.ask(tlv(1, "x"), adsl(way.encode())).code == ACCESS_ACCEPT
        assert isp.last()[0] == number
    isp.writer.put_subscribers({2: None})
    assert isp.ask(tlv(1, "x"), adsl(b"line-1")).code == ACCESS_REJECT
    isp.found_by("renamed", circuit("line-2"), number=3)
    assert isp.ask(tlv(1, "x"), adsl(b"line-2")).code == ACCESS_ACCEPT


def test_a_line_of_absurd_length_is_nobody_s(isp: Isp) -> None:
    assert isp.ask(tlv(1, "x"), adsl(b"\xff" * 240)).code == ACCESS_REJECT
    assert isp.ask(tlv(1, "x"), adsl(b"x" * 240)).code == ACCESS_REJECT


def test_only_whom_the_access_allows_has_ways() -> None:
    values = ("olt-1 1", "c", "r", "HWTC1A2B3C4D", "0003", "02005e100001")
    assert ways.of_access("pppoe", 0, values) == ()
    assert ways.of_access("hotspot", 0, values) == ("mac 02005e100001",)
    assert ways.of_access("gpon", 7, values) == (
        "line 7 olt-1 1",
        "circuit_id 7 c",
        "remote_id 7 r",
        "onu_serial HWTC1A2B3C4D",
        "duid 0003",
        "mac 02005e100001",
    )
    assert ways.of_access("nonsense", 7, values) == (), "plain SQL may say anything"


def test_a_pattern_that_sql_put_there_is_left_out_with_its_nas(isp: Isp) -> None:
    isp.boxes("juniper", {"circuit_id": "(?P<port>"})
    isp.found_by("fibre-7", circuit("line-1"))
    assert isp.ask(tlv(1, "x"), adsl(b"line-1")).code == ACCESS_ACCEPT


def test_pap_for_a_name_goes_on_as_ever(isp: Isp) -> None:
    request = pap_request("nemo", "arctangent", secret=SECRET, identifier=1)
    assert isp.answer(request).code == ACCESS_ACCEPT
    assert isp.last()[3] == "found by name"


def test_names_by_template_are_a_login_s_and_enforcement_s_alike(isp: Isp) -> None:
    """Else each session of such a NAS would have something else than it should."""
    told = replace(isp.nases[1], vendor="mikrotik", name_templates={"group": "g-{plan.code}"})
    isp.writer.put_tables({1: told}, {})
    answer = isp.login("nemo", "arctangent", PPP)
    assert (3, b"g-home") in answer.of_vendor(14988)
    [ours] = answer.all(25)
    session = Live(7, TENANT, 1, 1, ours[19:].decode(), "", None)
    view = View(isp.directory_of_its_own(), Renderer(dictionary(), ServiceProfile()))
    with view.turn():
        entitled = view.entitled(session, int(isp.clock.unix_s()))
    assert entitled is not None
    assert entitled.wanted == session.applied
