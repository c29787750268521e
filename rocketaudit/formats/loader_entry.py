"""Type #1 entries of the Boot Loader Specification (loader/entries/*.conf)."""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_SIZE = 64 << 10
_MANY = frozenset({"initrd", "options"})


@dataclass(frozen=True, slots=True)
class LoaderEntry:
    """`options` are joined by blanks as the loader does; `efi` is the program of an entry without a kernel."""

    title: str
    version: str
    linux: str
    initrd: tuple[str, ...]
    options: str
    efi: str


def parse_loader_entry(data: bytes) -> LoaderEntry:
    """Read one entry file; unknown keys are left out, of a repeated single key the last counts."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"a loader entry of {len(data)} bytes; at most {MAX_SIZE} are read")
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, _, value = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        if key in _MANY:
            many.setdefault(key, []).append(value.strip())
        else:
            single[key] = value.strip()
    return LoaderEntry(
        title=single.get("title", ""),
        version=single.get("version", ""),
        linux=single.get("linux", ""),
        initrd=tuple(many.get("initrd", ())),
        options=" ".join(many.get("options", ())),
        efi=single.get("efi", ""),
    )
