"""Many datagrams in one system call: the memory that recvmmsg and sendmmsg work on (Linux).

Python's socket module knows one datagram a call.  This lays out the kernel's structures
once, in memory that never moves, and afterwards only touches lengths and octets.  A
"slot" is what the kernel wrote about a sender, socket address and control data in one:
it is compared, kept and written back whole.  Knows nothing of what they mean.
"""

import ctypes
import socket
import struct
from typing import Final

_MSG_DONTWAIT: Final = int(socket.MSG_DONTWAIT)
_NAME_ROOM: Final = 32
_CONTROL_ROOM: Final = 40  # one in_pktinfo or in6_pktinfo with its header
_SLOT: Final = _NAME_ROOM + _CONTROL_ROOM


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    _fields_ = (("message", _Message), ("octets", ctypes.c_uint32))


# Where in an array of headers, seen as words of 4 octets, is what changes.
_WORDS: Final = ctypes.sizeof(_Header) // 4
_CONTROL_LENGTH: Final = 10
_OCTETS: Final = 14
assert _WORDS == 16
assert _Message.control_length.offset == 4 * _CONTROL_LENGTH
assert _Header.octets.offset == 4 * _OCTETS

_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
for _function in (_recvmmsg, _sendmmsg):
    _function.restype = ctypes.c_int
_recvmmsg.argtypes = (
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint,
    ctypes.c_int,
    ctypes.c_void_p,
)
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_control_size = struct.Struct("=Q")


def slot(name: bytes, control: bytes) -> bytes:
    """A slot as `Messages.send` takes it; `control` is one control message or nothing."""
    return name.ljust(_NAME_ROOM, b"\0") + control.ljust(_CONTROL_ROOM, b"\0")


def name_of(slot: bytes) -> bytes:
    """The socket address in it, and the zeros behind."""
    return slot[:_NAME_ROOM]


def control_of(slot: bytes) -> bytes:
    """The control message in it, or nothing."""
    size: int = _control_size.unpack_from(slot, _NAME_ROOM)[0]
    return slot[_NAME_ROOM : _NAME_ROOM + size]


class Messages:
    """Room for `count` datagrams of up to `octets_max` each, in one direction."""

    def __init__(self, count: int, octets_max: int, name_octets: int) -> None:
        self._count = count
        self._stride = -(-octets_max // 64) * 64
        self._name_octets = name_octets
        self._data = ctypes.create_string_buffer(count * self._stride)
        self._slots = ctypes.create_string_buffer(count * _SLOT)
        self._vectors = (_Vector * count)()
        self._headers = (_Header * count)()
        data, slots = ctypes.addressof(self._data), ctypes.addressof(self._slots)
        for index in range(count):
            vector, message = self._vectors[index], self._headers[index].message
            vector.base, vector.length = data + index * self._stride, octets_max
            message.name, message.name_length = slots + index * _SLOT, name_octets
            message.vectors = ctypes.addressof(self._vectors) + index * ctypes.sizeof(_Vector)
            message.vector_count = 1
            message.control = slots + index * _SLOT + _NAME_ROOM
            message.control_length = _CONTROL_ROOM
        self._pristine = bytes(self._headers)
        self._address = ctypes.addressof(self._headers)
        self._data_view = memoryview(self._data).cast("B")
        self._slot_view = memoryview(self._slots).cast("B")
        self._header_view = memoryview(self._headers).cast("B")
        self._words = self._header_view.cast("I")
        self._lengths = memoryview(self._vectors).cast("B").cast("Q")

    def receive(self, descriptor: int) -> list[tuple[bytes, bytes]]:
        """The (octets, slot) of what waits in the socket, at most `count`.

        Raises:
            BlockingIOError: nothing waits.
            OSError: the socket cannot be read.
        """
        self._header_view[:] = self._pristine  # the kernel wrote lengths over ours
        count: int = _recvmmsg(descriptor, self._address, self._count, _MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, "recvmmsg failed")  # the subclass that belongs to the number
        data, slots, words, stride = self._data_view, self._slot_view, self._words, self._stride
        found = []
        for index in range(count):
            start, place = index * stride, index * _SLOT
            end = start + words[index * _WORDS + _OCTETS]
            found.append((bytes(data[start:end]), bytes(slots[place : place + _SLOT])))
        return found

    def send(self, descriptor: int, datagrams: list[tuple[bytes, bytes]]) -> int:
        """Send (octets, slot) each, at most `count`; how many the kernel took."""
        data, slots, words, lengths = self._data_view, self._slot_view, self._words, self._lengths
        for index, (octets, slot) in enumerate(datagrams):
            start, place = index * self._stride, index * _SLOT
            assert len(octets) <= self._stride
            data[start : start + len(octets)] = octets
            slots[place : place + _SLOT] = slot
            lengths[2 * index + 1] = len(octets)
            words[index * _WORDS + _CONTROL_LENGTH] = -(-slot[_NAME_ROOM] // 8) * 8
        count, at, taken = len(datagrams), 0, 0
        while at < count:
            sent: int = _sendmmsg(descriptor, self._address + at * 4 * _WORDS, count - at, 0)
            if sent > 0:
                taken += sent
                at += sent
            else:
                at += 1  # this one is the culprit; the others may fare better
        return taken
