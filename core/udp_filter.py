"""What the kernel drops for us, before it costs us anything: a part of what some hosts send.

A classic BPF program on the socket (socket(7), SO_ATTACH_FILTER; no privilege is needed)
looks at the source address and draws lots.  A datagram that is received only to be thrown
away costs a tenth of a login; here it costs next to nothing.  The kernel counts it among
the drops of the socket.

IPv4 alone: other senders are let through.  Knows nothing of who should be held back.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Final

_SO_ATTACH_FILTER: Final = 26  # linux/asm-generic/socket.h
_SO_DETACH_FILTER: Final = 27
_NETWORK_HEADER: Final = 0xFFF00000  # linux/filter.h: SKF_NET_OFF
_RANDOM: Final = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_SOURCE: Final = 12  # in the header of IPv4 (RFC 791 §3.1)

_LOAD_WORD, _LOAD_OCTET, _AND = 0x20, 0x30, 0x54  # BPF_LD | BPF_W or BPF_B | BPF_ABS; BPF_ALU
_EQUAL, _AT_LEAST, _RETURN = 0x15, 0x35, 0x06  # BPF_JMP | BPF_JEQ or BPF_JGE; BPF_RET
_KEEP, _DROP = 0xFFFFFFFF, 0

_Instruction = tuple[int, int, int, int]  # code, how far to jump if true, if false, operand


def hold_back(sock: socket.socket, parts: Mapping[str, float]) -> None:
    """Have the kernel drop this part, from 0 to 1, of what each host sends; none: let all in.

    Of some hundred hosts at most; each costs every datagram a comparison.

    Raises:
        OSError: the kernel takes no such program.
    """
    program = _program(parts.items())
    if not program:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        except OSError as error:
            if error.errno != errno.ENOENT:  # there was none
                raise
        return
    octets = b"".join(struct.pack("=HBBI", *each) for each in program)
    memory = ctypes.create_string_buffer(octets, len(octets))
    header = struct.pack("@HP", len(program), ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _program(parts: Iterable[tuple[str, float]]) -> list[_Instruction]:
    found: list[_Instruction] = []
    for host, part in parts:
        if "." not in host:
            continue
        found += [
            (_EQUAL, 0, 4, int.from_bytes(socket.inet_aton(host), "big")),
            (_LOAD_WORD, 0, 0, _RANDOM),
            (_AT_LEAST, 1, 0, min(int(part * 2**32), 2**32 - 1)),
            (_RETURN, 0, 0, _DROP),
            (_RETURN, 0, 0, _KEEP),
        ]
    if not found:
        return []
    is_ipv4: list[_Instruction] = [
        (_LOAD_OCTET, 0, 0, _NETWORK_HEADER),
        (_AND, 0, 0, 0xF0),
        (_EQUAL, 1, 0, 0x40),
        (_RETURN, 0, 0, _KEEP),
        (_LOAD_WORD, 0, 0, _NETWORK_HEADER + _SOURCE),
    ]
    return [*is_ipv4, *found, (_RETURN, 0, 0, _KEEP)]
