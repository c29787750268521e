"""Kernel modules: what .modinfo states, and the signature appended behind the ELF file.

Sources: include/linux/module.h (MODULE_INFO), include/linux/module_signature.h.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.model.binary import KernelModuleInfo, ModuleSignature
from rocketaudit.model.reader import Buffer

SIGNATURE_MARK = b"~Module signature appended~\n"
MAX_MODINFO = 1 << 20
MAX_SIGNATURE = 1 << 16
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2
_SIGNATURE_SIZES = (512, 256, 384)  # of RSA keys
_INTEGER, _SEQUENCE, _SET = 0x02, 0x30, 0x31  # tags of X.690


def module_info(elf: ElfFile) -> KernelModuleInfo | None:
    """What the module says about itself; None for files without .modinfo."""
    if elf.section(".modinfo") is None:
        return None
    text = b"\0" + elf.section_bytes(".modinfo", MAX_MODINFO) + b"\0"

    def stated(key: bytes) -> str | None:
        """The first value of that key; most entries are aliases, which nobody asks for."""
        at = text.find(b"\0" + key + b"=")
        if at < 0:
            return None
        at += len(key) + 2
        return text[at : text.index(b"\0", at)].decode("utf-8", "backslashreplace")

    return KernelModuleInfo(
        name=stated(b"name"),
        version=stated(b"version"),
        license=stated(b"license"),
        vermagic=stated(b"vermagic"),
        srcversion=stated(b"srcversion"),
        author=stated(b"author"),
        description=stated(b"description"),
        depends=tuple([name for name in (stated(b"depends") or "").split(",") if name]),
        intree=stated(b"intree") == "Y",
        retpoline=stated(b"retpoline") == "Y",
        signature=module_signature(elf.data),
    )


def module_signature(data: Buffer) -> ModuleSignature | None:
    """The appended signature, None without its mark; FormatError when its lengths do not fit."""
    mark = len(data) - len(SIGNATURE_MARK)
    if mark < _TRAILER.size or bytes(data[mark:]) != SIGNATURE_MARK:
        return None
    at = mark - _TRAILER.size
    _, _, kind, signer_size, key_size, size = _TRAILER.unpack(bytes(data[at:mark]))
    start = at - size
    if size > MAX_SIGNATURE or start - signer_size - key_size < 0:
        raise FormatError(f"a module signature of {size} bytes does not fit", offset=at)
    if kind == _PKCS7:
        return _pkcs7(bytes(data[start:at]))
    key_at = start - key_size
    signer = bytes(data[key_at - signer_size : key_at]).decode("utf-8", "backslashreplace")
    return ModuleSignature(signer or None, bytes(data[key_at:start]).hex() or None, None, size)


def _pkcs7(raw: bytes) -> ModuleSignature:
    """What a CMS signature states.

    The modules of one kernel have one signer, so all but the signature's own bytes, which come last, is the same.
    """
    for size in _SIGNATURE_SIZES:
        if raw[-size - 4 : -size] == b"\x04\x82" + size.to_bytes(2, "big"):
            return _stated(raw[:-size], size)
    return _stated(raw, 0)


@functools.lru_cache(maxsize=64)
def _stated(raw: bytes, left_out: int) -> ModuleSignature:
    """Signer and digest of a CMS signature; both None when it cannot be parsed (it is still a signature).

    The way to the signer is walked here and only names are decoded by the library, once for each. `left_out` bytes
    are missing at the end. RFC 5652 sections 3, 5.1 and 5.3.
    """
    length = len(raw) + left_out
    raw += bytes(left_out)
    try:
        content = _children(raw, _children(raw, _children(raw, (0, len(raw)))[0].inner)[1].inner)[0]
        infos = [item for item in _children(raw, content.inner) if item.tag == _SET][-1]
        signer = _children(raw, _children(raw, infos.inner)[0].inner)
        identifier, algorithm = signer[1], signer[2]
        digest = _algorithm_name(algorithm.bytes_of(raw))
        if identifier.tag != _SEQUENCE:
            return ModuleSignature(None, raw[slice(*identifier.inner)].hex(), digest, length)
        issuer, serial = _children(raw, identifier.inner)[:2]
        if serial.tag != _INTEGER:
            raise ValueError("the serial number is no integer")
        number = int.from_bytes(raw[slice(*serial.inner)], "big", signed=True)
        return ModuleSignature(_issuer_name(issuer.bytes_of(raw)), f"{number:x}", digest, length)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
        return ModuleSignature(None, None, None, length)


class _Item(NamedTuple):
    """One DER value: its tag, and where it and its content lie."""

    tag: int
    start: int
    inner: tuple[int, int]

    def bytes_of(self, raw: bytes) -> bytes:
        return raw[self.start : self.inner[1]]


def _children(raw: bytes, inside: tuple[int, int]) -> list[_Item]:
    """The DER values in a stretch; ValueError when they do not fill it."""
    at, end = inside
    found: list[_Item] = []
    while at < end:
        start, tag, size = at, raw[at], raw[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count <= 4 or at + count > end:
                raise ValueError("a length that DER does not know")
            size = int.from_bytes(raw[at : at + count], "big")
            at += count
        if tag & 0x1F == 0x1F or at + size > end:
            raise ValueError("a value goes on behind its parent")
        found.append(_Item(tag, start, (at, at + size)))
        at += size
    return found


@functools.lru_cache(maxsize=64)
def _issuer_name(der: bytes) -> str | None:
    from asn1crypto import x509  # slow to load, and few files are modules

    names = x509.Name.load(der).native
    signer = names.get("common_name") or names.get("organization_name")
    return None if signer is None else str(signer)


@functools.lru_cache(maxsize=64)
def _algorithm_name(der: bytes) -> str:
    from asn1crypto import algos

    return str(algos.DigestAlgorithm.load(der)["algorithm"].native)
