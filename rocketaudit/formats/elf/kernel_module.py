"""Kernel modules: what .modinfo states, and the signature appended behind the ELF file.

Sources: include/linux/module.h (MODULE_INFO), include/linux/module_signature.h.
"""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.model.binary import KernelModuleInfo, ModuleSignature
from rocketaudit.model.reader import Buffer

SIGNATURE_MARK = b"~Module signature appended~\n"
MAX_MODINFO = 1 << 20
MAX_SIGNATURE = 1 << 16
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2


def module_info(elf: ElfFile) -> KernelModuleInfo | None:
    """What the module says about itself; None for files without .modinfo."""
    if elf.section(".modinfo") is None:
        return None
    stated: dict[str, str] = {}
    for entry in elf.section_bytes(".modinfo", MAX_MODINFO).split(b"\0"):
        key, equals, value = entry.decode("utf-8", "backslashreplace").partition("=")
        if equals:
            stated.setdefault(key, value)
    return KernelModuleInfo(
        name=stated.get("name"),
        version=stated.get("version"),
        license=stated.get("license"),
        vermagic=stated.get("vermagic"),
        srcversion=stated.get("srcversion"),
        author=stated.get("author"),
        description=stated.get("description"),
        depends=tuple(name for name in stated.get("depends", "").split(",") if name),
        intree=stated.get("intree") == "Y",
        retpoline=stated.get("retpoline") == "Y",
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
    """Signer and digest of a CMS signature; both None when it cannot be parsed (it is still a signature)."""
    from asn1crypto import cms  # slow to load, and few files are modules

    try:
        info = cms.ContentInfo.load(raw)["content"]["signer_infos"][0]
        sid = info["sid"]
        digest = str(info["digest_algorithm"]["algorithm"].native)
        if sid.name == "issuer_and_serial_number":
            names = sid.chosen["issuer"].native
            signer = names.get("common_name") or names.get("organization_name")
            return ModuleSignature(
                None if signer is None else str(signer), f"{sid.chosen['serial_number'].native:x}", digest, len(raw)
            )
        return ModuleSignature(None, bytes(sid.chosen.native).hex(), digest, len(raw))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
        return ModuleSignature(None, None, None, len(raw))
