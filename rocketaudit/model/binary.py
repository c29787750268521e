"""What a scan knows about one ELF file: its language, its hardening, its contents, and by which evidence."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass

ACTS_AS = "acts-as"  # kind of the signal whose value is "shell: bash", "interpreter: python"


class Language(StrEnum):
    RUST = "rust"
    C = "c"
    CPP = "c++"
    GO = "go"
    OTHER = "other"  # a runtime that `Binary.runtime` names
    PACKED = "packed"  # compressed executable: what is inside is not known
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class BinaryKind(StrEnum):
    EXECUTABLE = "executable"
    SHARED_OBJECT = "shared_object"
    RELOCATABLE = "relocatable"
    KERNEL_MODULE = "kernel_module"
    CORE = "core"
    OTHER = "other"


class Relro(StrEnum):
    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"
    NOT_APPLICABLE = "not_applicable"  # relocatable objects and kernel modules


class Pie(StrEnum):
    EXEC = "exec"  # fixed address
    PIE = "pie"
    STATIC_PIE = "static-pie"
    DSO = "dso"  # a library: position independent by nature
    REL = "rel"
    CORE = "core"
    OTHER = "other"


class Nx(StrEnum):
    YES = "yes"
    NO = "no"
    ABSENT = "absent"  # no PT_GNU_STACK: the kernel's default for the machine decides
    NOT_APPLICABLE = "not_applicable"


class Canary(StrEnum):
    YES = "yes"
    NO = "no"
    LIKELY = "likely"  # a static program that holds the handler's message but no names
    UNKNOWN = "unknown"  # nothing left to look at, or not searched
    NOT_APPLICABLE = "not_applicable"  # the language does not use one


class Fortify(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # static without names
    NOT_APPLICABLE = "not_applicable"  # nothing that could be fortified is called


@dataclass(frozen=True, slots=True)
class Signal:
    """One piece of evidence: `kind` names the test, `value` what was found, `offset` the byte of the file."""

    kind: str
    value: str
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Hardening:
    """What the file's own headers and names say; None means not applicable to this machine."""

    relro: Relro
    bind_now: bool
    pie: Pie
    nx: Nx
    canary: Canary
    fortify: Fortify
    fortified: int  # distinct *_chk functions that are called
    fortifiable: int  # those, and the distinct functions that have an unused *_chk form
    rpath: str | None
    runpath: str | None
    risky_paths: tuple[str, ...]  # elements that are relative, empty or below a world-writable folder
    ibt: bool | None
    shstk: bool | None
    bti: bool | None
    pac: bool | None
    wx_segments: int
    textrel: bool
    execstack: bool
    static: bool
    stripped: bool  # no .symtab
    debug_info: bool  # DWARF inside
    mini_debug_info: bool  # .gnu_debugdata
    section_headers: bool
    packed: bool
    sanitizers: tuple[str, ...]  # "asan", "cfi", "safestack", ...


@dataclass(frozen=True, slots=True)
class Crate:
    """`source` is "crates.io", "git", "local", "std", "registry", "toolchain" or "unknown".

    "std" is what Rust's own library brings, "toolchain" what was vendored with the compiler's source: of either.

    `evidence` is "dep-v0" (stated by cargo-auditable) or "path" (recovered from panic locations, incomplete).
    """

    name: str
    version: str
    source: str
    evidence: str
    confidence: Confidence
    kind: str = "runtime"  # "runtime" or "build"
    root: bool = False


@dataclass(frozen=True, slots=True)
class GoModule:
    path: str
    version: str
    replaced_by: str | None  # "path@version" of the replacement
    sum: str | None  # "h1:..." of go.sum


@dataclass(frozen=True, slots=True)
class PackageNote:
    """The ELF package note (.note.package); fields that it does not state are None."""

    type: str | None
    name: str | None
    version: str | None
    architecture: str | None
    os_cpe: str | None
    debug_info_url: str | None


@dataclass(frozen=True, slots=True)
class ModuleSignature:
    """The signature appended to a kernel module: what it states of its signer; nothing is verified."""

    signer: str | None  # issuer name of the signing certificate
    key_id: str | None  # serial number or key identifier, hex
    hash: str | None
    length: int


@dataclass(frozen=True, slots=True)
class KernelModuleInfo:
    name: str | None
    version: str | None
    license: str | None
    vermagic: str | None
    srcversion: str | None
    author: str | None
    description: str | None
    depends: tuple[str, ...]
    intree: bool
    retpoline: bool
    signature: ModuleSignature | None


@dataclass(frozen=True, slots=True)
class KernelImage:
    """A boot image of the kernel; `config` is the text of IKCONFIG when it is embedded."""

    format: str  # "bzImage", "arm64", "zboot", "vmlinux"
    machine: str
    compression: str | None  # of the payload: "gzip", "zstd", "xz", ...
    version: str | None  # "6.12.37"
    banner: str | None  # "Linux version 6.12.37 (...) (gcc ...) #1 SMP ..."
    compiler: str | None
    config: str | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """One ELF file. `path` is BytePath text; `size` and `code_bytes` are bytes.

    `shares` holds (language, lower bound of its share of the code in 0..1, method).
    `error` says what could not be read; what could be read is still here.
    """

    scope: str
    path: str
    sha256: str
    sha512: str | None
    size: int
    machine: str
    bits: int
    endian: str  # "little" or "big"
    kind: BinaryKind
    language: Language
    runtime: str | None
    contains: tuple[str, ...]
    shares: tuple[tuple[str, float, str], ...]
    confidence: Confidence
    signals: tuple[Signal, ...]
    hardening: Hardening
    interpreter: str | None
    needed: tuple[str, ...]
    soname: str | None
    build_id: str | None
    crates: tuple[Crate, ...]
    go_version: str | None
    go_main: str | None
    go_modules: tuple[GoModule, ...]
    package_note: PackageNote | None
    module_info: KernelModuleInfo | None
    code_bytes: int
    error: str | None
    searched: bool = True  # False: only metadata was looked at
    classifier: str = ""  # version of the rules that gave `language`
    go_module: GoModule | None = None  # the main module, which `go_modules` leaves out
    go_stated: tuple[tuple[str, str], ...] = ()  # what its build settings say of the main module's version
