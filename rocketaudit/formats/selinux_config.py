"""/etc/selinux/config as libselinux reads it (src/selinux_config.c): of modes the first counts, of types the last."""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_LINES = 5_000
_MODES = ("enforcing", "permissive", "disabled")
_BLANKS = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class SelinuxConfig:
    """`mode` and `type` with the byte of their lines; None where no line gives one that libselinux takes."""

    mode: tuple[str, int] | None = None
    type: tuple[str, int] | None = None


def parse_selinux_config(data: bytes) -> SelinuxConfig:
    """A mode may be followed by anything and is written in any case; nothing may stand before the word SELINUX."""
    mode: tuple[str, int] | None = None
    kind: tuple[str, int] | None = None
    offset = 0
    for number, raw in enumerate(data.split(b"\n")):
        if number >= MAX_LINES:
            raise FormatError(f"more than {MAX_LINES} lines", offset=offset)
        line, start = raw.decode("utf-8", "replace"), offset
        offset += len(raw) + 1
        if line.startswith("SELINUX=") and mode is None:
            word = line.removeprefix("SELINUX=").lstrip(_BLANKS).lower()
            found = next((name for name in _MODES if word.startswith(name)), None)
            mode = None if found is None else (found, start)
        name, equals, value = line.lstrip(_BLANKS).partition("=")
        if equals and name.lower() == "selinuxtype":
            kind = (value.strip(_BLANKS), start)
    return SelinuxConfig(mode, kind)
