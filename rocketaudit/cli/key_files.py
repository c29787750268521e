"""Keys, passphrases and digests from the user's files: secrets never come from arguments."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.output import print_bytes, write_file
from rocketaudit.errors import FormatError, SourceError, UsageError

if TYPE_CHECKING:
    from rocketaudit.formats.dsse import PublicKey

MAX_KEY = 1 << 16
_MAX_PASSPHRASE = 4096
_PIECE = 1 << 20


def read_public_keys(paths: Sequence[Path]) -> list[PublicKey]:
    """The public keys in PEM files; UsageError names one that is none."""
    if not paths:
        return []
    from rocketaudit.formats.dsse import load_public_key

    keys: list[PublicKey] = []
    for path in paths:
        try:
            keys.append(load_public_key(read_input(path, MAX_KEY)))
        except FormatError as error:
            raise UsageError(f"{path}: {error.message}") from error
    return keys


def read_private_key_file(path: Path) -> bytes:
    """The bytes of a private key file; UsageError when others may read it, looked at after it was opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is no regular file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise UsageError(f"{path} may be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        data = file.read(MAX_KEY + 1)
    if len(data) > MAX_KEY:
        raise UsageError(f"{path} has more than {MAX_KEY} bytes, a key is smaller")
    return data


def read_passphrase(key: bytes, descriptor: int | None) -> bytes | None:
    """The passphrase of an encrypted key, from a file descriptor or a prompt; None when the key needs none."""
    if descriptor is not None:
        return _from_descriptor(descriptor)
    if b"ENCRYPTED" not in key:
        return None
    if not sys.stdin.isatty():
        raise UsageError("the key needs a passphrase", hint="--passphrase-fd 3 3< FILE, or run it in a terminal")
    return getpass("Passphrase of the key: ").encode()


def _from_descriptor(descriptor: int) -> bytes:
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            line = file.readline(_MAX_PASSPHRASE + 1)
    except OSError as error:
        raise UsageError(f"--passphrase-fd {descriptor}: {error.strerror}") from error
    if len(line) > _MAX_PASSPHRASE:
        raise UsageError(f"--passphrase-fd {descriptor}: more than {_MAX_PASSPHRASE} bytes")
    return line.rstrip(b"\r\n")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex, read in pieces; SourceError when it cannot be read."""
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    return hasher.hexdigest()


def read_day(text: str, option: str) -> datetime:
    """The last second of a day in UTC, or the moment when a time is given; UsageError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no date", hint="as in 2026-01-31") from error
    if len(text) <= 10:
        return moment.replace(tzinfo=UTC) + timedelta(days=1) - timedelta(seconds=1)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def write_result(path: Path | None, data: bytes) -> None:
    """`data` to a file, whole or not at all, or to standard output."""
    if path is None:
        print_bytes(data)
    else:
        write_file(path, data)
