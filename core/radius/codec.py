"""Attributes by their dictionary names, to octets and back: the door to the codec.

What is encoded is complete: headers, tag, hiding, the vendor's wrapper, fragments.  What
is decoded keeps the packet's order, and nothing in it can raise: a value that is not of
its type, or cannot be revealed, is an `Unknown` like an attribute that no dictionary
knows.  `CodecError` is the only exception.

Sans-IO; the salt is an argument, because it is random.
"""

from core.radius.codec_error import CodecError
from core.radius.decoding import decode
from core.radius.encoding import encode, encode_named
from core.radius.items import Decoded, Item, Unknown

__all__ = ["CodecError", "Decoded", "Item", "Unknown", "decode", "encode", "encode_named"]
