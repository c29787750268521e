"""A well-built program as a value, and what differs from it, for the examples of rules."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from rocketaudit.errors import UsageError
from rocketaudit.model.binary import (
    ACTS_AS,
    Binary,
    BinaryKind,
    Canary,
    Confidence,
    Fortify,
    Hardening,
    KernelModuleInfo,
    Language,
    ModuleSignature,
    Nx,
    Pie,
    Relro,
    Signal,
)

_GOOD = Hardening(
    relro=Relro.FULL,
    bind_now=True,
    pie=Pie.PIE,
    nx=Nx.YES,
    canary=Canary.YES,
    fortify=Fortify.YES,
    fortified=1,
    fortifiable=1,
    rpath=None,
    runpath=None,
    risky_paths=(),
    ibt=True,
    shstk=True,
    bti=None,
    pac=None,
    wx_segments=0,
    textrel=False,
    execstack=False,
    static=False,
    stripped=True,
    debug_info=False,
    mini_debug_info=False,
    section_headers=True,
    packed=False,
    sanitizers=(),
)
_ENUMS = {"relro": Relro, "pie": Pie, "nx": Nx, "canary": Canary, "fortify": Fortify}


def made_binary(given: dict[str, Any], scope: str) -> Binary:
    """A Rust program that is built well but for the `given` fields (of Binary or of its hardening); needs `path`."""
    hardening = _GOOD
    for name in [field.name for field in fields(Hardening) if field.name in given]:
        value = given.pop(name)
        if name in _ENUMS:
            value = _ENUMS[name](value)
        changed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value}
        hardening = replace(hardening, **changed)
    signer = given.pop("signer", None)
    in_tree = given.pop("in_tree", True)
    path, kind = given.pop("path", ""), BinaryKind(given.pop("kind", "executable"))
    language = Language(given.pop("language", "rust"))
    code, error = given.pop("code_bytes", 1000), given.pop("error", None)
    signals = tuple(Signal(ACTS_AS, value, 4096) for value in given.pop("acts_as", ()))
    if given or not path:
        raise UsageError(f"a program of an example needs a path and does not know {', '.join(map(repr, given))}")
    module = None
    if kind is BinaryKind.KERNEL_MODULE:
        signature = None if signer is None else ModuleSignature(signer, None, "sha512", 300)
        module = KernelModuleInfo(path, None, "GPL", None, None, None, None, (), in_tree, True, signature)
    return Binary(
        scope=scope,
        path=path,
        sha256="",
        sha512=None,
        size=1000,
        machine="x86_64",
        bits=64,
        endian="little",
        kind=kind,
        language=language,
        runtime=None,
        contains=(),
        shares=(),
        confidence=Confidence.HIGH,
        signals=signals,
        hardening=hardening,
        interpreter=None,
        needed=(),
        soname=None,
        build_id=None,
        crates=(),
        go_version=None,
        go_main=None,
        go_modules=(),
        package_note=None,
        module_info=module,
        code_bytes=code,
        error=error,
    )
