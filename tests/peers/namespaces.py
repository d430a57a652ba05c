"""Network namespaces of a test's own, and datagrams carried between their loopback and ours.

A box that must have interfaces gets them where nobody else is, with the ports it likes best.
A namespace ends with its holder, and the holder when nobody is left to write to it, so
nothing stays behind even when the tests are killed.
"""

import ctypes
import os
import selectors
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from tests.peers.programs import needs, run

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network of its own, with loopback up."""

    holder: int

    @property
    def path(self) -> Path:
        return Path(f"/proc/{self.holder}/ns/net")

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command that runs `command` in here."""
        return (needs("nsenter"), f"--net={self.path}", "--", *command)

    def run(self, *command: str) -> str:
        """What it said; it must succeed."""
        done = run(*self.inside(*command))
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def opens(self, port: int = 0, address: str = LOOPBACK) -> socket.socket:
        """A datagram socket at an address in here; it may be used from anywhere."""
        made: list[socket.socket] = []
        # A thread of its own, because it is threads that are in namespaces.
        thread = Thread(target=lambda: made.append(self._open(port, address)))
        thread.start()
        thread.join()
        [one] = made
        return one

    def _open(self, port: int, address: str) -> socket.socket:
        with self.path.open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")
        return bound(address, port)


def bound(address: str, port: int = 0) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, port))
    return one


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A new one.  Where there can be none the test is skipped, and says why."""
    needs("ip")
    if os.geteuid():
        pytest.skip("only root may make network namespaces")
    holder = subprocess.Popen(
        [needs("unshare"), "--net", "sh", "-c", "echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if not holder.stdout.readline():
            pytest.skip(f"no network namespaces here: {holder.stderr.read().decode().strip()}")
        one = Namespace(holder.pid)
        one.run("ip", "link", "set", "lo", "up")
        yield one
    finally:
        holder.communicate(timeout=10)


def cable(one: Namespace, another: Namespace, *, called: str = "cable") -> None:
    """A pair of interfaces, up, one in each, both of this name; gone with either of them."""
    done = run(
        *one.inside(needs("ip"), "link", "add", called, "type", "veth"),
        *("peer", "name", called, "netns", str(another.holder)),
    )
    if done.returncode:
        pytest.skip(f"this kernel makes no pairs of interfaces: {done.stderr.strip()}")
    for end in (one, another):
        end.run("ip", "link", "set", called, "up")


@contextmanager
def into(where: Namespace, port: int, *, address: str = LOOPBACK) -> Iterator[tuple[str, int]]:
    """An address out here, of which each datagram goes to this port in there."""
    listening = bound(address)
    with _carried(listening, lambda: _connected(where.opens(), (LOOPBACK, port))):
        yield listening.getsockname()


@contextmanager
def out_of(where: Namespace, port: int, to: tuple[str, int], *, source: str) -> Iterator[None]:
    """Who asks this port in there asks `to` out here, which sees him come from `source`."""
    with _carried(where.opens(port), lambda: _connected(bound(source), to)):
        yield


def _connected(one: socket.socket, to: tuple[str, int]) -> socket.socket:
    one.connect(to)
    return one


@contextmanager
def _carried(listening: socket.socket, onward: Callable[[], socket.socket]) -> Iterator[None]:
    """Each that asks `listening` has a socket of its own `onward`, by which answers return."""
    stop, stopped = socket.socketpair()
    carrying = Thread(target=_carry, args=(listening, onward, stopped))
    carrying.start()
    try:
        yield
    finally:
        stop.close()
        carrying.join()


def _carry(
    listening: socket.socket, onward: Callable[[], socket.socket], stopped: socket.socket
) -> None:
    ways: dict[object, socket.socket] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(stopped, selectors.EVENT_READ)
        ready.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is stopped:
                    for one in (stopped, listening, *ways.values()):
                        one.close()
                    return
                try:
                    if key.fileobj is listening:
                        octets, asker = listening.recvfrom(65_536)
                        if asker not in ways:
                            ways[asker] = onward()
                            ready.register(ways[asker], selectors.EVENT_READ, asker)
                        ways[asker].send(octets)
                    else:
                        assert isinstance(key.fileobj, socket.socket)
                        listening.sendto(key.fileobj.recv(65_536), key.data)
                except ConnectionRefusedError:
                    continue  # nobody listens there: what silence is to who asked
