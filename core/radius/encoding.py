"""From a definition and a value to complete attributes.

Here are the headers, the tag, the hiding, the vendor's wrapper and the fragments; the
value itself is made by `values`.  Each error is for the operator who wrote the value.
"""

from collections.abc import Iterable, Mapping

from core.radius.codec_error import CodecError
from core.radius.extended import fragments, split
from core.radius.hiding import hide_user_password, salt_encrypt
from core.radius.items import Decoded, Hiding, Unknown
from core.radius.packet import attribute
from core.radius.types import PACKET_LENGTH_MAX, PACKET_LENGTH_MIN, VENDOR_SPECIFIC
from core.radius.values import encode_value, octets_of
from dictionaries.definitions import CONTAINERS, Definition, Dictionary

TAG_MAX = 0x1F  # RFC 2868 §3: a higher first octet is data
_VALUE_OCTETS_MAX = 253
_ATTRIBUTES_OCTETS_MAX = PACKET_LENGTH_MAX - PACKET_LENGTH_MIN
_SHOWN_MAX = 60


def encode(
    definition: Definition,
    value: object,
    *,
    tag: int | None = None,
    secret: bytes | None = None,
    authenticator: bytes | None = None,
    salt: bytes | None = None,
) -> bytes:
    """One or more complete attributes.

    A TLV takes a mapping from the names of its parts, items as they were decoded, or all
    its octets.  `authenticator` is the one of the request, also in a reply.

    Raises:
        CodecError: names the attribute, its value unless hidden, and the remedy.
    """
    try:
        octets = _octets(definition, value, tag, Hiding(secret, authenticator, salt))
        return _wrap(definition, octets)
    except CodecError as error:
        shown = "(hidden)" if definition.encrypt else repr(value)
        if len(shown) > _SHOWN_MAX:
            shown = shown[:_SHOWN_MAX] + "..."
        raise CodecError(f"{definition.name} = {shown}: {error}") from None


def encode_named(
    dictionary: Dictionary,
    name: str,
    value: object,
    *,
    tag: int | None = None,
    secret: bytes | None = None,
    authenticator: bytes | None = None,
    salt: bytes | None = None,
) -> bytes:
    """As `encode`, by name; ``Name:1`` carries a tag, and a list is the attribute repeated.

    Raises:
        CodecError: names the attribute, its value unless hidden, and the remedy.
    """
    definition = dictionary.named(name)
    if definition is None and tag is None:
        name, colon, tag_text = name.rpartition(":") if ":" in name else (name, "", "")
        definition = dictionary.named(name)
        if colon and definition is not None:
            if not tag_text.isascii() or not tag_text.isdigit():
                raise CodecError(f"{name}:{tag_text}: a tag is a number from 0 to {TAG_MAX}")
            tag = int(tag_text)
    if definition is None:
        near = " or ".join(dictionary.similar(name))
        remedy = f"did you mean {near}?" if near else "look it up in dictionaries/"
        raise CodecError(f"no attribute is called {name!r}; {remedy}")
    values: Iterable[object] = (value,)
    if isinstance(value, list | tuple) and not _are_items(value):
        if definition.encrypt == 2 and len(value) > 1:
            raise CodecError(f"{name}: encode one at a time, each with a salt of its own")
        values = value
    return b"".join(
        encode(definition, v, tag=tag, secret=secret, authenticator=authenticator, salt=salt)
        for v in values
    )


def _octets(definition: Definition, value: object, tag: int | None, hiding: Hiding) -> bytes:
    """The value with its tag, hidden if it is to be, but without headers."""
    if definition.type in CONTAINERS:
        raise CodecError("only holds other attributes; set one of those")
    if tag is not None and not (definition.has_tag and 0 <= tag <= TAG_MAX):
        raise CodecError(
            f"tags go from 0 to {TAG_MAX}" if definition.has_tag else "takes no tag; leave it out"
        )
    plain = _parts(definition, value, hiding) if definition.type == "tlv" else None
    if plain is None:
        plain = encode_value(definition, value)
    if definition.encrypt:
        hidden = _hide(definition, plain, hiding)
        return bytes((tag or 0,)) + hidden if definition.has_tag else hidden
    # RFC 2865 §5 forbids empty values; only EAP-Start is one (RFC 3579 §2.1), and it is concat.
    if not plain and not definition.concat:
        raise CodecError("is empty; leave the attribute out instead")
    if definition.has_tag:
        if definition.type == "integer":
            return bytes((tag or 0,)) + plain[1:]
        if tag is not None or plain[0] <= TAG_MAX:  # else its first octet would be taken for a tag
            return bytes((tag or 0,)) + plain
    return plain


def _hide(definition: Definition, plain: bytes, hiding: Hiding) -> bytes:
    secret, authenticator, salt = hiding
    if secret is None or authenticator is None:
        raise CodecError("is hidden on the wire; it needs the shared secret and an authenticator")
    if definition.encrypt == 2:
        if salt is None:
            raise CodecError("is hidden on the wire; it needs a salt")
        return salt_encrypt(plain, secret, authenticator, salt)
    if definition.type == "string" and plain.endswith(b"\0"):
        raise CodecError("ends in NUL, which the padding would swallow; end it otherwise")
    return hide_user_password(plain, secret, authenticator)


def _parts(definition: Definition, value: object, hiding: Hiding) -> bytes:
    """What a TLV holds."""
    if isinstance(value, bytes | str):
        octets = octets_of(value)
        if split(octets) is None:
            raise CodecError("is no row of type, length and value; write a table of its parts")
        return octets
    parts: list[tuple[str, object, int | None]] = []
    row = b""
    if isinstance(value, Mapping):
        for name, part in value.items():
            several = part if isinstance(part, list) else [part]
            parts.extend((str(name), one, None) for one in several)
    elif not isinstance(value, list | tuple) or not _are_items(value):
        raise CodecError('is a TLV; write a table of its parts, or "0x..."')
    else:
        for item in value:
            if isinstance(item, Unknown):
                row += _sub(item.path[-1], item.octets)
            else:
                parts.append((item.name, item.value, item.tag))
    by_name = {child.name: child for child in definition.children.values()}
    for name, part, tag in parts:
        child = by_name.get(name)
        if child is None:
            known = ", ".join(by_name) or "none that has a name"
            raise CodecError(f"has no part {name!r}; its parts are: {known}")
        try:
            row += _sub(child.number, _octets(child, part, tag, hiding))
        except CodecError as error:
            raise CodecError(f"{name}: {error}") from None
    return row


def _are_items(value: list[object] | tuple[object, ...]) -> bool:
    return bool(value) and all(isinstance(item, Decoded | Unknown) for item in value)


def _sub(number: int, octets: bytes) -> bytes:
    if len(octets) > _VALUE_OCTETS_MAX:
        raise CodecError(f"{len(octets)} octets; at most {_VALUE_OCTETS_MAX} fit, shorten it")
    return bytes((number, len(octets) + 2)) + octets


def _wrap(definition: Definition, octets: bytes) -> bytes:
    """The attribute, or the attributes, that carry these octets."""
    path = definition.path
    number, prefix, subs = path[0], b"", path[1:]
    extended_type = path[1] if number >= 241 and len(path) > 1 else None  # RFC 6929 §2
    long = extended_type is not None and number >= 245
    if number == VENDOR_SPECIFIC:
        prefix, subs = path[1].to_bytes(4, "big"), path[2:]
    elif extended_type == VENDOR_SPECIFIC:
        prefix, subs = path[2].to_bytes(4, "big") + bytes((path[3],)), path[4:]
    elif extended_type is not None:
        subs = path[2:]
    if extended_type is not None and not long:
        prefix = bytes((extended_type,)) + prefix
    if subs or not (long or (definition.concat and len(path) == 1)):  # else it may be split up
        room = _VALUE_OCTETS_MAX - 2 * len(subs) - len(prefix)
        if long:  # here the outermost part alone is bounded by its length octet
            room = _VALUE_OCTETS_MAX - 2 * (len(subs) - 1)
        if len(octets) > room:
            raise CodecError(f"{len(octets)} octets; at most {room} fit, shorten it")
    for sub in reversed(subs):
        octets = _sub(sub, octets)
    octets = prefix + octets
    if extended_type is not None and long:
        values = fragments(extended_type, octets)
    else:
        values = [
            octets[at : at + _VALUE_OCTETS_MAX]
            for at in range(0, max(len(octets), 1), _VALUE_OCTETS_MAX)
        ]
    wire = b"".join([attribute(number, value) for value in values])
    if len(wire) > _ATTRIBUTES_OCTETS_MAX:
        raise CodecError(f"{len(octets)} octets; more than a packet holds, shorten it")
    return wire
