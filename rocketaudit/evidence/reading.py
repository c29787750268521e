"""Reads one file's bytes once and hands them to everyone who wants them: digests, ELF, scripts, embedded images."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from rocketaudit.errors import FormatError
from rocketaudit.evidence.codeless import Codeless
from rocketaudit.formats.containers.sniff import EMBEDDED_FROM, name_embedded_image
from rocketaudit.formats.elf import Named, read_elf
from rocketaudit.formats.stated_package import limit_of, parse_stated
from rocketaudit.model import bytepath
from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Wants
from rocketaudit.model.filesystem import FileSystem, Node
from rocketaudit.model.language_package import LanguagePackage
from rocketaudit.model.reader import Buffer
from rocketaudit.model.records import dataclass

MAX_ELF = 512 << 20  # a larger program is digested, but its inside is said to be unread
MUCH = 8 << 20  # bytes at once for which the allocator is asked to give back first what it keeps
CODELESS = 8 << 20  # programs over this are held without their code
MAX_ROOM = 32 << 20  # memory kept for the next program; a larger one is rare, and a node has other uses for its memory
MAX_SHEBANG = 256  # BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h


@dataclass(frozen=True, slots=True)
class StatedPackages:
    """The packages of Python, Node or Java that a file states; `unread` says why they are not known."""

    packages: tuple[LanguagePackage, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class FileRead:
    """What one pass over a file's bytes gave; `unread` says why the rest is missing."""

    sha256: str | None = None
    sha512: str | None = None
    content: str = ""
    interpreter: str | None = None
    binary: Binary | None = None
    unread: str | None = None
    stated: StatedPackages | None = None


def read_or_say_why(fs: FileSystem, node: Node, scope: str, path: str, wants: Wants) -> FileRead:
    """As `read_file`; a defect of ours costs that file alone, and the evidence says so."""
    try:
        return read_file(fs, node, scope, path, wants)
    except Exception as error:  # noqa: BLE001 - the border between hostile bytes and the batch
        return FileRead(unread=f"defect of the reader, please report: {type(error).__name__}: {error}")


def read_file(fs: FileSystem, node: Node, scope: str, path: str, wants: Wants) -> FileRead:
    """Digests and content of one regular file; never raises for what the file holds.

    Of a file system that calls a file private only what it is (a program, a script) is told, and no digest.
    """
    is_private: Callable[[Node], bool] | None = getattr(fs, "is_private", None)
    if is_private is not None and is_private(node):
        wants = replace(wants, digests=False)
    try:
        pieces = iter(fs.chunks(node))
        first = next(pieces, b"")
        head = bytes(first[:MAX_SHEBANG])
        if head.startswith(b"\x7fELF") and wants.binaries:
            return _read_program(fs, first, pieces, node, scope, path, wants)
        stated = None
        if wants.binaries and (is_private is None or not is_private(node)) and 0 < node.size <= limit_of(path):
            data = first if len(first) == node.size else _gather(chain((first,), pieces), node.size)[0]
            stated = _stated(path, data)
            first, pieces = data, iter(())
        sha256, sha512 = _digest(first, pieces, wants)
    except FormatError as error:
        return FileRead(unread=str(error))
    if head.startswith(b"#!"):
        return FileRead(sha256, sha512, "script", _interpreter(head), stated=stated)
    is_image = node.size >= EMBEDDED_FROM and bool(name_embedded_image(bytes(first[:8192]), node.size))
    return FileRead(sha256, sha512, "image" if is_image else "", None, None, None, stated)


def _stated(path: str, data: bytes | memoryview) -> StatedPackages | None:
    try:
        packages = parse_stated(path, data)
    except FormatError as error:
        return StatedPackages(unread=str(error))
    return StatedPackages(packages) if packages else None


def _read_program(
    fs: FileSystem,
    first: bytes | memoryview,
    rest: Iterator[bytes | memoryview],
    node: Node,
    scope: str,
    path: str,
    wants: Wants,
) -> FileRead:
    if node.size > MAX_ELF:
        sha256, sha512 = _digest(first, rest, wants)
        reason = f"{node.size} bytes: programs over {MAX_ELF} are not looked into"
        return FileRead(sha256, sha512, "elf", unread=reason)
    if node.size > MUCH:
        _make_room()
    data, memory = first if len(first) == node.size else _in_one_piece(fs, node), None
    if data is None:
        if node.size > CODELESS:
            return _read_large(fs, node, chain((first,), rest), Named(scope, path), wants)
        data, memory = _gather(chain((first,), rest), node.size)
    digests = _Digests(wants)
    digests.take(data)
    return _looked_into(data, Named(scope, path, *digests.found()), wants, memory)


def _in_one_piece(fs: FileSystem, node: Node) -> memoryview | None:
    """The whole file where it lies, if that is in one piece and in a map."""
    found: Callable[[Node], memoryview | None] | None = getattr(fs, "in_one_piece", None)
    return None if found is None else found(node)


def _read_large(
    fs: FileSystem, node: Node, pieces: Iterator[bytes | memoryview], named: Named, wants: Wants
) -> FileRead:
    """As any program, but mapped, or with its code left out of memory where nobody looks at it."""
    digests = _Digests(wants)
    find: Callable[[Node], memoryview | None] | None = getattr(fs, "joined", None)
    if find is not None and (mapped := find(node)) is not None:
        for piece in pieces:
            digests.take(piece)
        return _looked_into(mapped, Named(named.scope, named.path, *digests.found()), wants)
    first = next(pieces)
    program = Codeless(node.size)
    program.plan(first, lambda offset, length: fs.read(node, offset, length))
    program.fill(chain((first,), pieces), digests.take)
    named = Named(named.scope, named.path, *digests.found())
    found = _looked_into(memoryview(program.memory), named, wants)
    if program.was_missed():
        program.holes = ()
        program.fill(fs.chunks(node), len)
        found = _looked_into(memoryview(program.memory), named, wants)
    return found


def _looked_into(data: Buffer, named: Named, wants: Wants, memory: bytearray | None = None) -> FileRead:
    sha256 = named.sha256 or None
    try:
        binary = read_elf(data, named, search=wants.search, memory=memory)
    except FormatError as error:
        return FileRead(sha256, named.sha512, "elf", unread=f"not a readable ELF file: {error}")
    return FileRead(sha256, named.sha512, "elf", binary=binary)


class _Digests:
    """The digests that are wanted of a file, taken from its pieces as they pass."""

    def __init__(self, wants: Wants) -> None:
        self._sha256 = hashlib.sha256() if wants.digests else None
        self._sha512 = hashlib.sha512() if wants.digests and wants.sha512 else None

    def take(self, piece: bytes | memoryview) -> None:
        for digest in (self._sha256, self._sha512):
            if digest is not None:
                digest.update(piece)

    def found(self) -> tuple[str, str | None]:
        """SHA-256, "" where it is not wanted, and SHA-512."""
        sha256 = "" if self._sha256 is None else self._sha256.hexdigest()
        return sha256, None if self._sha512 is None else self._sha512.hexdigest()


class _Room:
    """Memory that programs in several pieces are gathered in, one after the other.

    Fresh memory costs more than the copy: the kernel clears each page of it first. What a program is read into is
    overwritten by the next one, so nothing may keep a view of it.
    """

    def __init__(self) -> None:
        self._memory = bytearray()

    def gather(self, pieces: Iterable[bytes | memoryview], size: int) -> tuple[memoryview, bytearray]:
        """All pieces of a file in one place, without holding any of them twice, and the memory that it starts."""
        if size > len(self._memory):
            self._memory = bytearray()  # freed before its successor is made
            self._memory = bytearray(size)
        with memoryview(self._memory) as whole:
            at = 0
            for piece in pieces:
                if at + len(piece) > size:
                    raise FormatError(f"the file goes on behind its size of {size} bytes")
                whole[at : at + len(piece)] = piece
                at += len(piece)
        if at < size:
            raise FormatError(f"the file ends after {at} of {size} bytes")
        memory = self._memory
        if size > MAX_ROOM:
            self._memory = bytearray()
        return memoryview(memory)[:size].toreadonly(), memory


_ROOMS = threading.local()


def give_room_back() -> None:
    """Free what programs were gathered in, once the last one is read."""
    _ROOMS.room = None


def _make_room() -> None:
    """Return freed memory to the system (malloc_trim(3)): after some programs glibc keeps up to 30 MiB of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _gather(pieces: Iterable[bytes | memoryview], size: int) -> tuple[memoryview, bytearray]:
    room: _Room | None = getattr(_ROOMS, "room", None)
    if room is None:
        room = _ROOMS.room = _Room()
    return room.gather(pieces, size)


def _digest(
    first: bytes | memoryview, rest: Iterable[bytes | memoryview], wants: Wants
) -> tuple[str | None, str | None]:
    """SHA-256 and SHA-512, as far as they are wanted, of all pieces."""
    if not wants.digests:
        return None, None
    digests = [hashlib.sha256(first)]
    if wants.sha512:
        digests.append(hashlib.sha512(first))
    for piece in rest:
        for digest in digests:
            digest.update(piece)
    return digests[0].hexdigest(), digests[1].hexdigest() if wants.sha512 else None


def _interpreter(head: bytes) -> str:
    """The program of a `#!` line as the kernel reads it (fs/binfmt_script.c); `env NAME` gives NAME."""
    line = head[2:MAX_SHEBANG].split(b"\n", 1)[0].strip(b" \t")
    words = line.split()
    if len(words) > 1 and words[0].endswith(b"/env"):
        named = [word for word in words[1:] if not word.startswith(b"-") and b"=" not in word]
        return bytepath.encode(named[0] if named else words[0])
    return bytepath.encode(words[0]) if words else ""
