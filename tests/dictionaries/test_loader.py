"""The dictionaries load completely, through pyrad and beside it."""

from pathlib import Path

import pytest
from pyrad.dictionary import Dictionary as PyradDictionary

from dictionaries.definitions import Definition
from dictionaries.loader import FILES, BadDictionary, load

DICTIONARY = load()


def named(name: str) -> Definition:
    definition = DICTIONARY.named(name)
    assert definition is not None
    return definition


def test_everything_that_pyrad_knows_is_there_with_the_same_number_and_type() -> None:
    oracle = PyradDictionary(str(FILES / "dictionary"))
    assert not oracle.skipped_attributes
    assert len(oracle.attributes) == 739
    for name, attribute in oracle.attributes.items():
        definition = named(name)
        assert (definition.number, definition.type) == (attribute.code, attribute.type)
        assert (definition.has_tag, definition.encrypt) == (attribute.has_tag, attribute.encrypt)
        vendor = oracle.vendors.GetForward(attribute.vendor) if attribute.vendor else None
        assert definition.vendor == vendor


def test_no_two_attributes_share_a_number_but_those_of_huaweis_two_families() -> None:
    unique = [d for d in DICTIONARY if not d.name.startswith("HW-Campus-")]
    assert len({definition.path for definition in unique}) == len(unique) > 731


def test_a_number_of_huaweis_that_arrives_is_the_bngs() -> None:
    campus = DICTIONARY.named("HW-Campus-Input-Peak-Information-Rate")
    assert campus is not None
    read = DICTIONARY.at(campus.path)
    assert read is not None
    assert read.name == "HW-Input-Committed-Burst-Size"


@pytest.mark.parametrize(
    ("name", "dotted"),
    [
        ("User-Name", "1"),
        ("Mikrotik-Rate-Limit", "26.14988.8"),
        ("Cambium-Authorize-Class-Name", "26.17713.158.1"),
        ("Frag-Status", "241.1"),
        ("IP-Port-Range-Local-Id", "241.6.11"),
        ("Extended-Vendor-Specific-5", "245.26"),
    ],
)
def test_a_definition_is_found_by_name_and_by_number(name: str, dotted: str) -> None:
    assert named(name).dotted == dotted
    assert DICTIONARY.at(tuple(map(int, dotted.split(".")))) is named(name)


def test_numbers_are_looked_up_where_they_belong() -> None:
    assert DICTIONARY.standard(1) is named("User-Name")
    assert DICTIONARY.of_vendor(311, 16) is named("MS-MPPE-Send-Key")
    assert DICTIONARY.extended(241, 8) is named("Operator-NAS-Identifier")
    assert DICTIONARY.standard(26) is None
    assert DICTIONARY.of_vendor(311, 99) is None
    assert DICTIONARY.vendors["Mikrotik"] == 14988


def test_a_vendor_is_known_of_its_own_attributes_only() -> None:
    assert named("Cambium-Authorize-Class-Name").vendor == 17713
    assert named("Frag-Status").vendor is None
    assert named("Extended-Vendor-Specific-1").vendor is None


def test_flags_are_read_also_those_that_pyrad_ignores() -> None:
    assert {d.name for d in DICTIONARY if d.concat} == {
        "EAP-Message",
        "NAS-Filter-Rule",
        "PKM-SS-Cert",
        "PKM-CA-Cert",
        "EAPoL-Announcement",
    }
    assert {d.name for d in DICTIONARY if d.encrypt == 1} == {"User-Password", "MS-CHAP-MPPE-Keys"}
    assert {d.name for d in DICTIONARY if d.encrypt == 2} == {
        "Tunnel-Password",
        "ERX-LI-Action",
        "MS-MPPE-Send-Key",
        "MS-MPPE-Recv-Key",
    }
    assert named("Tunnel-Password").has_tag


def test_values_have_names_both_ways() -> None:
    service_type = named("Service-Type")
    assert service_type.value_of["Framed-User"] == 2
    assert service_type.name_of[2] == "Framed-User"
    assert named("Error-Cause").value_of["Session-Context-Not-Found"] == 503
    assert named("Frag-Status").name_of[3] == "More-Data-Request"


def test_a_tlv_knows_its_parts() -> None:
    parts = named("Cambium-Authorize-Classes").children
    assert [parts[number].name for number in sorted(parts)] == [
        "Cambium-Authorize-Class-Name",
        "Cambium-Authorize-Bytes-Left",
    ]


def test_a_misspelt_name_finds_its_neighbour() -> None:
    assert DICTIONARY.similar("mikrotik-rate-limits")[0] == "Mikrotik-Rate-Limit"
    assert DICTIONARY.similar("zzz") == []


def written(folder: Path, text: str, extended: str = "") -> tuple[Path, Path]:
    paths = folder / "dictionary", folder / "dictionary.extended"
    for path, content in zip(paths, (text, extended), strict=True):
        path.write_text(content)
    return paths


def test_tlvs_within_tlvs_and_vendors_extended_attributes_are_read(tmp_path: Path) -> None:
    dictionary = load(
        *written(
            tmp_path,
            "VENDOR Acme 32473\nBEGIN-VENDOR Acme\n"
            "ATTRIBUTE Acme-Box 1 tlv\nATTRIBUTE Acme-Drawer 1.2 tlv\n"
            "ATTRIBUTE Acme-Spoon 1.2.3 integer\nVALUE Acme-Spoon Big 7\nEND-VENDOR Acme\n",
            "ATTRIBUTE Long 245 long-extended\nATTRIBUTE Evs 245.26 evs\n"
            "ATTRIBUTE Acme-Long 245.26.32473.4 string  # comment\n",
        )
    )
    spoon = dictionary.at((26, 32473, 1, 2, 3))
    assert spoon is not None
    assert spoon.value_of == {"Big": 7}
    box = dictionary.named("Acme-Box")
    assert box is not None
    assert box.children[2].children[3] is spoon
    long = dictionary.named("Acme-Long")
    assert long is not None
    assert (long.path, long.vendor) == ((245, 26, 32473, 4), 32473)


@pytest.mark.parametrize(
    ("text", "extended", "says"),
    [
        ("ATTRIBUTE A 1 sting\n", "", "sting"),
        ("ATTRIBUTE A 1 string encrypt=3\n", "", "encrypt=3"),
        ("", "ATTRIBUTE A 241.1 uint32\n", "uint32"),
        ("", "ATTRIBUTE A 241.300 integer\n", "241.300"),
        ("", "ATTRIBUTE A 241.x integer\n", "241.x"),
        ("", "ATTRIBUTE A\n", "ATTRIBUTE A"),
    ],
)
def test_a_bad_dictionary_is_named(tmp_path: Path, text: str, extended: str, says: str) -> None:
    with pytest.raises(BadDictionary, match=says):
        load(*written(tmp_path, text, extended))
