"""From raw attributes to items.  Nothing that a sender can write makes this raise.

Work is bounded by the packet's octets: each attribute is taken up once.  Recursion is
bounded by the dictionary's own depth, never by what was sent.
"""

from collections.abc import Callable, Iterable

from core.radius.codec_error import CodecError
from core.radius.encoding import TAG_MAX
from core.radius.extended import gather, split
from core.radius.hiding import reveal_padded, reveal_user_password, salt_decrypt
from core.radius.items import Decoded, Hiding, Item, Unknown
from core.radius.packet import Packet
from core.radius.types import VENDOR_SPECIFIC
from core.radius.values import decode_value
from dictionaries.definitions import Definition, Dictionary


def decode(
    attributes: Packet | Iterable[tuple[int, bytes]],
    dictionary: Dictionary,
    *,
    secret: bytes | None = None,
    authenticator: bytes | None = None,
) -> tuple[Item, ...]:
    """Every attribute, in order.  Never raises.

    Hidden values stay `Unknown` unless both `secret` and `authenticator` (of the request,
    also for a reply) are given.  Split values come back joined.
    """
    raw = attributes.attributes() if isinstance(attributes, Packet) else list(attributes)
    hiding = Hiding(secret, authenticator)
    items: list[Item] = []
    at = 0
    while at < len(raw):
        number, octets = raw[at]
        at += 1
        definition = dictionary.standard(number)
        if definition is None:
            if number == VENDOR_SPECIFIC:
                items.extend(_of_vendor(octets, dictionary, hiding))
            else:
                items.append(Unknown((number,), octets))
        elif definition.concat:
            parts = [octets]
            while at < len(raw) and raw[at][0] == number:
                parts.append(raw[at][1])
                at += 1
            items.append(_item(definition, b"".join(parts), hiding))
        elif definition.type == "extended" and octets:
            items.append(_of_extended((number, octets[0]), octets[1:], dictionary, hiding))
        elif definition.type == "long-extended" and len(octets) > 1:
            extended_type, octets, at, complete = gather(raw, at - 1)
            path = (number, extended_type)
            if complete:
                items.append(_of_extended(path, octets, dictionary, hiding))
            else:
                items.append(Unknown(path, octets))
        else:
            items.append(_item(definition, octets, hiding))
    return tuple(items)


def _of_vendor(octets: bytes, dictionary: Dictionary, hiding: Hiding) -> list[Item]:
    """What a Vendor-Specific holds, in the format that RFC 2865 §5.26 recommends."""
    if len(octets) < 4:
        return [Unknown((VENDOR_SPECIFIC,), octets)]
    vendor = int.from_bytes(octets[:4], "big")
    row = split(octets, 4)
    if row is None:  # another format, which is the vendor's right
        return [Unknown((VENDOR_SPECIFIC, vendor), octets[4:])]
    items: list[Item] = []
    for number, value in row:
        definition = dictionary.of_vendor(vendor, number)
        if definition is None:
            items.append(Unknown((VENDOR_SPECIFIC, vendor, number), value))
        else:
            items.append(_item(definition, value, hiding))
    return items


def _of_extended(
    path: tuple[int, ...], octets: bytes, dictionary: Dictionary, hiding: Hiding
) -> Item:
    """An extended attribute (RFC 6929 §2), the vendor's own included (§2.4)."""
    definition = dictionary.at(path)
    if definition is not None and definition.type == "evs" and len(octets) > 5:
        path = (*path, int.from_bytes(octets[:4], "big"), octets[4])
        octets = octets[5:]
        definition = dictionary.at(path)
    return Unknown(path, octets) if definition is None else _item(definition, octets, hiding)


def _item(definition: Definition, octets: bytes, hiding: Hiding) -> Item:
    tag: int | None = None
    plain: bytes | None = octets
    if definition.has_tag:
        tag, plain = _untag(definition, octets)
    if definition.encrypt and plain is not None:
        plain = _reveal(definition, plain, hiding)
    if plain is not None:
        value = (
            _parts(definition, plain, hiding)
            if definition.type == "tlv"
            else decode_value(definition, plain)
        )
        if value is not None:
            return Decoded(definition.name, value, tag)
    return Unknown(definition.path, octets)


def _parts(definition: Definition, octets: bytes, hiding: Hiding) -> tuple[Item, ...] | None:
    """What a TLV holds; None if the lengths do not add up."""
    row = split(octets)
    if row is None:
        return None
    items: list[Item] = []
    for number, part in row:
        child = definition.children.get(number)
        if child is None:
            items.append(Unknown((*definition.path, number), part))
        else:
            items.append(_item(child, part, hiding))
    return tuple(items)


def _untag(definition: Definition, octets: bytes) -> tuple[int | None, bytes | None]:
    """Tag and value (RFC 2868 §3); the value is None if a tag must be there and is not."""
    if definition.encrypt:  # here a tag that is none is ignored (RFC 2868 §3.5)
        return (octets[0] if octets[0] <= TAG_MAX else 0, octets[1:]) if octets else (None, None)
    if definition.type == "integer":
        if not octets or octets[0] > TAG_MAX:
            return None, None
        return octets[0], b"\0" + octets[1:]
    if octets and octets[0] <= TAG_MAX:
        return octets[0], octets[1:]
    return None, octets


def _reveal(definition: Definition, octets: bytes, hiding: Hiding) -> bytes | None:
    secret, authenticator, _ = hiding
    if secret is None or authenticator is None:
        return None
    reveal: Callable[[bytes, bytes, bytes], bytes] = salt_decrypt
    if definition.encrypt == 1:
        reveal = reveal_user_password if definition.type == "string" else reveal_padded
    try:
        return reveal(octets, secret, authenticator)
    except CodecError:
        return None
