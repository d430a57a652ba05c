"""Attributes by name: the vectors, tags, hiding, TLVs, RFC 6929, and what is malformed."""

from typing import TypedDict

import pytest

from core.radius.codec import CodecError, Decoded, Unknown, decode, encode, encode_named
from core.radius.packet import attribute, parse, vendor_attribute
from core.radius.types import EAP_MESSAGE, VENDOR_SPECIFIC
from dictionaries.definitions import Definition
from dictionaries.definitions import Dictionary as Definitions
from dictionaries.loader import load
from tests.vectors.read import Vector, by_name, exchanges

DICTIONARY = load()
SECRET = b"testing123"
AUTHENTICATOR = bytes(range(16))
SALT = b"\x99\x73"


class Hiding(TypedDict):
    secret: bytes
    authenticator: bytes


HIDING: Hiding = {"secret": SECRET, "authenticator": AUTHENTICATOR}


def packet_of(attributes: bytes) -> bytes:
    return b"\x01\x01" + (20 + len(attributes)).to_bytes(2, "big") + AUTHENTICATOR + attributes


def items(attributes: bytes, **hiding: bytes) -> tuple[Decoded | Unknown, ...]:
    return decode(parse(packet_of(attributes)), DICTIONARY, **hiding)


def as_listed(item: Decoded | Unknown) -> int | str:
    """A value as the vectors write it."""
    assert isinstance(item, Decoded)
    assert not isinstance(item.value, tuple)
    return item.value.hex() if isinstance(item.value, bytes) else item.value


@pytest.mark.parametrize(
    ("exchange", "side"),
    [
        pytest.param(exchange, side, id=f"{side} of {exchange['name']}")
        for exchange in exchanges()
        for side in ("request", "reply")
        if side in exchange and not (side == "request" and "malformed" in exchange["expect"])
    ],
)
def test_packets_of_the_rfcs_decode_as_listed_and_encode_again(exchange: Vector, side: str) -> None:
    octets, expect = bytes.fromhex(exchange[side]), exchange["expect"][side]
    request = bytes.fromhex(exchange["request"])
    secret = exchange["secret"].encode()
    hidden = [i for i, a in enumerate(expect["attributes"]) if a[1] == "User-Password"]
    wire = b""
    for at, item in enumerate(decode(parse(octets), DICTIONARY)):
        number, name, value = expect["attributes"][at]
        if at in hidden:
            assert item == Unknown((number,), bytes.fromhex(value))
            password = exchange["expect"]["cleartext"]["user_password"]
            wire += encode_named(
                DICTIONARY, name, password, secret=secret, authenticator=request[4:20]
            )
            continue
        assert isinstance(item, Decoded)
        assert (item.name, as_listed(item)) == (name, value)
        wire += encode_named(DICTIONARY, name, item.value)
    assert wire == octets[20:]


def test_a_tunnel_password_of_freeradius_is_revealed_and_ours_differs_in_padding_alone() -> None:
    vector = by_name("attributes")["tunnel-password-foo"]
    wire = bytes.fromhex(vector["attribute"])
    hiding: Hiding = {
        "secret": vector["secret"].encode(),
        "authenticator": bytes.fromhex(vector["request_authenticator"]),
    }
    salt = bytes.fromhex(vector["expect"]["salt"])
    ours = encode_named(DICTIONARY, "Tunnel-Password", "foo", salt=salt, **hiding)
    foo = (Decoded("Tunnel-Password", "foo", tag=0),)
    assert items(wire, **hiding) == items(ours, **hiding) == foo
    unpadded = slice(0, 2 + 1 + 2 + 1 + len("foo"))  # FreeRADIUS pads with chance, we with zeros
    assert ours[unpadded] == wire[unpadded]


def test_a_vendors_tagged_string_is_tagged_within_the_vendors_attribute() -> None:
    vector = by_name("attributes")["erx-service-activate-tagged"]
    wire = bytes.fromhex(vector["attribute"])
    expect = vector["expect"]
    assert items(wire) == (Decoded(expect["name"], expect["value"], tag=1),)
    assert encode_named(DICTIONARY, expect["name"], expect["value"], tag=1) == wire
    assert encode_named(DICTIONARY, f"{expect['name']}:1", expect["value"]) == wire


def test_what_an_operator_writes_goes_out() -> None:
    assert encode_named(DICTIONARY, "Reply-Message", "Welcome") == b"\x12\x09Welcome"
    assert encode_named(DICTIONARY, "Class", "0x00ff10") == b"\x19\x05\x00\xff\x10"
    assert encode_named(DICTIONARY, "Reply-Message", ["a", "b"]) == b"\x12\x03a\x12\x03b"
    assert encode_named(DICTIONARY, "Service-Type", "Framed-User") == bytes.fromhex("060600000002")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "Replay-Message",
            "x",
            r"no attribute is called 'Replay-Message'; did you mean Reply-Message",
        ),
        ("Zzzz", "x", "look it up"),
        ("Framed-IP-Address", "10.0.0", r"Framed-IP-Address = '10.0.0': not an IPv4 .* 192.0.2.1"),
        ("Service-Type", "Framed-Usr", r"Service-Type = 'Framed-Usr': .* write Framed-User$"),
        ("Reply-Message", "", "Reply-Message = '': is empty; leave the attribute out"),
        ("Reply-Message", "é" * 127, r"254 octets; at most 253 fit"),
        ("Mikrotik-Rate-Limit", "x" * 248, "at most 247 fit"),
        ("ERX-Service-Activate:1", "x" * 247, "at most 247 fit"),
        ("Operator-NAS-Identifier", b"x" * 253, "at most 252 fit"),
        ("SAML-Assertion", "x" * 4096, "more than a packet holds"),
        ("EAP-Message", bytes(4096), "more than a packet holds"),
        ("Reply-Message:1", "x", "takes no tag"),
        ("Tunnel-Type:32", "VLAN", "tags go from 0 to 31"),
        ("Tunnel-Type:x", "VLAN", "a tag is a number from 0 to 31"),
        ("User-Password", "hunter2", "needs the shared secret"),
        ("Extended-Attribute-1", b"x", "only holds other attributes"),
        ("Extended-Vendor-Specific-5", b"x", "only holds other attributes"),
        ("Cambium-Authorize-Classes", {"Nix": 1}, "has no part 'Nix'; its parts are: Cambium-"),
        (
            "Cambium-Authorize-Classes",
            {"Cambium-Authorize-Bytes-Left": "x"},
            "Bytes-Left: not a num",
        ),
        ("Cambium-Authorize-Classes", {"Cambium-Authorize-Class-Name": "x" * 254}, "253 fit"),
        ("Cambium-Authorize-Classes", "0x0100", "type, length and value"),
        ("Cambium-Authorize-Classes", 5, "a table of its parts"),
        ("Cambium-Authorize-Classes", {}, "is empty"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(name: str, value: object, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        encode_named(DICTIONARY, name, value)


def test_a_hidden_value_is_not_shown_in_an_error() -> None:
    with pytest.raises(CodecError) as caught:
        encode_named(DICTIONARY, "User-Password", "p" * 129, **HIDING)
    assert str(caught.value).startswith("User-Password = (hidden): 129 octets")


def test_hiding_needs_all_it_is_done_with() -> None:
    with pytest.raises(CodecError, match="salt"):
        encode_named(DICTIONARY, "Tunnel-Password", "foo", **HIDING)
    with pytest.raises(CodecError, match="salt of its own"):
        encode_named(DICTIONARY, "Tunnel-Password", ["a", "b"], salt=SALT, **HIDING)
    with pytest.raises(CodecError, match="NUL"):
        encode_named(DICTIONARY, "User-Password", "foo\0", **HIDING)


def test_hidden_values_stay_unknown_without_the_secret_or_with_a_wrong_one() -> None:
    wire = encode_named(DICTIONARY, "MS-MPPE-Send-Key", bytes(16), salt=SALT, **HIDING)
    hidden = Unknown((26, 311, 16), wire[8:])
    assert items(wire) == (hidden,)
    assert items(wire, secret=SECRET) == (hidden,)
    assert items(wire, secret=b"testing124", authenticator=AUTHENTICATOR) == (hidden,)
    assert items(wire, **HIDING) == (Decoded("MS-MPPE-Send-Key", bytes(16)),)


def test_a_key_keeps_the_nuls_that_a_password_loses() -> None:
    key = b"k" * 24 + bytes(8)
    wire = encode_named(DICTIONARY, "MS-CHAP-MPPE-Keys", key, **HIDING)
    assert items(wire, **HIDING) == (Decoded("MS-CHAP-MPPE-Keys", key),)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 144])
def test_a_user_password_in_no_whole_blocks_is_unknown(size: int) -> None:
    assert items(attribute(2, bytes(size)), **HIDING) == (Unknown((2,), bytes(size)),)


def test_tags_are_read_where_rfc_2868_puts_them() -> None:
    assert items(b"\x40\x06\x01\x00\x00\x0d") == (Decoded("Tunnel-Type", 13, 1),)
    assert items(b"\x40\x06\x20\x00\x00\x0d") == (Unknown((64,), b"\x20\x00\x00\x0d"),)
    assert items(b"\x51\x0510 ") == (Decoded("Tunnel-Private-Group-Id", "10 "),)
    assert items(b"\x51\x05\x0110") == (Decoded("Tunnel-Private-Group-Id", "10", 1),)
    assert items(b"\x51\x02") == (Decoded("Tunnel-Private-Group-Id", ""),)
    assert items(b"\x40\x02\x45\x02", **HIDING) == (Unknown((64,), b""), Unknown((69,), b""))


def test_a_first_octet_that_looks_like_a_tag_gets_one() -> None:
    wire = encode_named(DICTIONARY, "Tunnel-Private-Group-Id", "\x01x")
    assert wire == b"\x51\x05\x00\x01x"
    assert items(wire) == (Decoded("Tunnel-Private-Group-Id", "\x01x", 0),)


def test_several_attributes_in_one_vendor_specific_are_all_read() -> None:
    wire = attribute(VENDOR_SPECIFIC, (14988).to_bytes(4, "big") + b"\x08\x051/2\xff\x03x")
    assert items(wire) == (
        Decoded("Mikrotik-Rate-Limit", "1/2"),
        Unknown((26, 14988, 255), b"x"),
    )


@pytest.mark.parametrize(
    "tail", [b"", b"\x08", b"\x08\x00", b"\x08\x01", b"\x08\x03", b"\x08\x03xy"]
)
def test_a_vendor_specific_whose_lengths_do_not_add_up_is_unknown(tail: bytes) -> None:
    wire = attribute(VENDOR_SPECIFIC, (14988).to_bytes(4, "big") + tail)
    assert items(wire) == (Unknown((26, 14988), tail),)


def test_a_vendor_specific_without_a_vendor_is_unknown() -> None:
    assert items(b"\x1a\x05abc") == (Unknown((26,), b"abc"),)


def test_a_vendor_that_nobody_knows_is_read_as_far_as_it_goes() -> None:
    # accel-ppp sends DHCP options under vendor 54, the attribute number being the option code.
    assert items(vendor_attribute(54, 82, b"abc")) == (Unknown((26, 54, 82), b"abc"),)


def test_concatenated_attributes_are_split_and_joined() -> None:
    packet = bytes(range(256)) * 13
    wire = encode_named(DICTIONARY, "EAP-Message", packet)
    pieces = parse(packet_of(wire)).all(EAP_MESSAGE)
    assert [len(piece) for piece in pieces] == [253] * 13 + [39]  # 14 attributes
    assert items(wire) == (Decoded("EAP-Message", packet),)
    assert items(b"\x4f\x03a\x01\x03x\x4f\x03b") == (
        Decoded("EAP-Message", b"a"),
        Decoded("User-Name", "x"),
        Decoded("EAP-Message", b"b"),
    )


def test_an_eap_start_is_empty() -> None:
    assert encode_named(DICTIONARY, "EAP-Message", b"") == b"\x4f\x02"
    assert items(b"\x4f\x02") == (Decoded("EAP-Message", b""),)


def test_a_tlv_holds_its_parts() -> None:
    value = {"Cambium-Authorize-Class-Name": ["a", "b"], "Cambium-Authorize-Bytes-Left": 7}
    wire = encode_named(DICTIONARY, "Cambium-Authorize-Classes", value)
    assert wire.hex() == "1a180000" + "4531" + "9e12" + "010361" + "010362" + "020a0000000000000007"
    parts = (
        Decoded("Cambium-Authorize-Class-Name", "a"),
        Decoded("Cambium-Authorize-Class-Name", "b"),
        Decoded("Cambium-Authorize-Bytes-Left", 7),
    )
    assert items(wire) == (Decoded("Cambium-Authorize-Classes", parts),)
    assert encode_named(DICTIONARY, "Cambium-Authorize-Classes", parts) == wire
    raw = "0x" + wire[8:].hex()
    assert encode_named(DICTIONARY, "Cambium-Authorize-Classes", raw) == wire


def test_a_part_alone_goes_out_within_its_tlv() -> None:
    wire = encode_named(DICTIONARY, "Cambium-Authorize-Class-Name", "a")
    assert items(wire) == (
        Decoded("Cambium-Authorize-Classes", (Decoded("Cambium-Authorize-Class-Name", "a"),)),
    )


def test_an_unknown_part_is_kept_and_goes_out_again() -> None:
    wire = vendor_attribute(17713, 158, b"\x63\x03x\x02\x03y")
    parts = (Unknown((26, 17713, 158, 99), b"x"), Unknown((26, 17713, 158, 2), b"y"))
    assert items(wire) == (Decoded("Cambium-Authorize-Classes", parts),)
    assert encode_named(DICTIONARY, "Cambium-Authorize-Classes", parts) == wire


@pytest.mark.parametrize(
    "row", [b"", b"\x01", b"\x01\x00", b"\x01\x01", b"\x01\x03", b"\x01\x03xy"]
)
def test_a_tlv_whose_lengths_do_not_add_up_is_unknown(row: bytes) -> None:
    assert items(vendor_attribute(17713, 158, row)) == (Unknown((26, 17713, 158), row),)


# RFC 6929

LONG_TEXT = "".join(chr(97 + n % 26) for n in range(700))


def test_an_extended_attribute_has_a_second_type() -> None:
    assert (
        encode_named(DICTIONARY, "Frag-Status", "More-Data-Request").hex() == "f10701" + "00000003"
    )
    assert items(bytes.fromhex("f10701" + "00000003")) == (Decoded("Frag-Status", 3),)
    assert items(b"\xf1\x05\x08ab") == (Decoded("Operator-NAS-Identifier", b"ab"),)


def test_an_extended_attribute_may_hold_a_tlv() -> None:
    wire = encode_named(DICTIONARY, "IP-Port-Range-Local-Id", "x")
    assert wire.hex() == "f106060b0378"
    assert items(wire) == (Decoded("IP-Port-Range", (Decoded("IP-Port-Range-Local-Id", "x"),)),)


def test_a_long_value_is_fragmented_with_the_more_flag() -> None:
    wire = encode_named(DICTIONARY, "SAML-Assertion", LONG_TEXT)
    raw = parse(packet_of(wire)).all(245)
    assert [(value[0], value[1], len(value)) for value in raw] == [
        (1, 0x80, 253),
        (1, 0x80, 253),
        (1, 0, 200),
    ]
    assert items(wire) == (Decoded("SAML-Assertion", LONG_TEXT),)
    exactly = "x" * 502
    assert items(encode_named(DICTIONARY, "SAML-Assertion", exactly)) == (
        Decoded("SAML-Assertion", exactly),
    )


def test_two_long_values_in_a_row_stay_two() -> None:
    wire = encode_named(DICTIONARY, "SAML-Assertion", [LONG_TEXT, "short"])
    assert items(wire) == (
        Decoded("SAML-Assertion", LONG_TEXT),
        Decoded("SAML-Assertion", "short"),
    )


FULL = b"x" * 251


@pytest.mark.parametrize(
    ("raw", "expect"),
    [
        pytest.param(
            [(245, b"\x01\x80" + FULL)], [Unknown((245, 1), FULL)], id="the last promises more"
        ),
        pytest.param(
            [(245, b"\x01\x80ab"), (245, b"\x01\x00cd")],
            [Unknown((245, 1), b"ab"), Decoded("SAML-Assertion", "cd")],
            id="a fragment that is not full",
        ),
        pytest.param(
            [(245, b"\x01\x80" + FULL), (1, b"nemo"), (245, b"\x01\x00cd")],
            [
                Unknown((245, 1), FULL),
                Decoded("User-Name", "nemo"),
                Decoded("SAML-Assertion", "cd"),
            ],
            id="another attribute between",
        ),
        pytest.param(
            [(245, b"\x01\x80" + FULL), (245, b"\x02\x00cd")],
            [Unknown((245, 1), FULL), Decoded("SAML-Protocol", "cd")],
            id="another extended type follows",
        ),
        pytest.param(
            [(245, b"\x01\x80" + FULL), (246, b"\x01\x00cd")],
            [Unknown((245, 1), FULL), Unknown((246, 1), b"cd")],
            id="another type follows",
        ),
        pytest.param([(245, b"\x01")], [Unknown((245,), b"\x01")], id="no flags"),
        pytest.param([(245, b"")], [Unknown((245,), b"")], id="nothing, long"),
        pytest.param([(241, b"")], [Unknown((241,), b"")], id="nothing"),
        pytest.param([(241, b"\x63ab")], [Unknown((241, 99), b"ab")], id="an unknown type"),
        pytest.param([(241, b"\x01abc")], [Unknown((241, 1), b"abc")], id="not of its type"),
        pytest.param(
            [(241, b"\x1aabcd")], [Unknown((241, 26), b"abcd")], id="a vendor without type"
        ),
        pytest.param(
            [(241, b"\x1a\x00\x00\x00\x09\x01x")],
            [Unknown((241, 26, 9, 1), b"x")],
            id="an unknown vendor's",
        ),
    ],
)
def test_what_rfc_6929_calls_invalid_is_unknown(
    raw: list[tuple[int, bytes]], expect: list[Decoded | Unknown]
) -> None:
    assert list(decode(raw, DICTIONARY)) == expect


def acme() -> Definitions:
    """Vendors' own extended attributes, and TLVs three deep: no dictionary of ours has any."""
    spoon = Definition("Spoon", (241, 26, 32473, 2, 3, 4), "integer")
    drawer = Definition("Drawer", (241, 26, 32473, 2, 3), "tlv", children={4: spoon})
    box = Definition("Box", (241, 26, 32473, 2), "tlv", children={3: drawer})
    leaf = Definition("Leaf", (245, 26, 32473, 6, 1), "string")
    tree = Definition("Tree", (245, 26, 32473, 6), "tlv", children={1: leaf})
    containers = [
        Definition("E1", (241,), "extended"),
        Definition("V1", (241, 26), "evs"),
        Definition("E5", (245,), "long-extended"),
        Definition("V5", (245, 26), "evs"),
    ]
    note = Definition("Note", (245, 26, 32473, 5), "string")
    deep = [spoon, drawer, box, leaf, tree]
    return Definitions([*containers, *deep, note], {"Acme": 32473})


def test_a_vendors_own_extended_attribute_names_the_vendor_once() -> None:
    dictionary = acme()
    wire = encode_named(dictionary, "Note", LONG_TEXT)
    assert wire[2:9].hex() == "1a80" + "00007ed9" + "05"
    assert wire[255 + 2 : 255 + 4].hex() == "1a80"
    assert decode(parse(packet_of(wire)), dictionary) == (Decoded("Note", LONG_TEXT),)


def test_tlvs_nest() -> None:
    dictionary = acme()
    wire = encode_named(dictionary, "Spoon", 7)
    assert wire.hex() == "f110" + "1a" + "00007ed902" + "0308" + "040600000007"
    nested = Decoded("Box", (Decoded("Drawer", (Decoded("Spoon", 7),)),))
    assert decode(parse(packet_of(wire)), dictionary) == (nested,)
    assert encode(dictionary.named("Box"), nested.value) == wire  # type: ignore[arg-type]  # it is there


def test_a_long_tlv_is_bounded_by_its_length_octet_not_by_the_attribute() -> None:
    dictionary = acme()
    wire = encode_named(dictionary, "Leaf", "x" * 253)
    expect = Decoded("Tree", (Decoded("Leaf", "x" * 253),))
    assert decode(parse(packet_of(wire)), dictionary) == (expect,)
    with pytest.raises(CodecError, match="at most 253"):
        encode_named(dictionary, "Leaf", "x" * 254)


# Bounded work


def test_two_thousand_attributes_are_two_thousand_items() -> None:
    assert items(b"\x21\x02" * 2000) == (Decoded("Proxy-State", b""),) * 2000


def test_each_octet_of_a_packet_makes_at_most_half_an_item() -> None:
    nested = vendor_attribute(17713, 158, b"\x01\x02" * 123) * 16
    found = items(nested)
    assert len(found) == 16
    assert all(isinstance(i, Decoded) and isinstance(i.value, tuple) for i in found)
    assert sum(
        len(i.value) for i in found if isinstance(i, Decoded) and isinstance(i.value, tuple)
    ) == (16 * 123)


def test_depth_is_the_dictionarys_not_the_packets() -> None:
    # 120 TLVs in one another; the dictionary knows one level, so the rest is octets.
    row = b""
    for _ in range(120):
        row = bytes((1, len(row) + 2)) + row
    parts = (Unknown((26, 17713, 158, 1), row[2:]),)  # a name, but these octets are no text
    assert items(vendor_attribute(17713, 158, row)) == (
        Decoded("Cambium-Authorize-Classes", parts),
    )
