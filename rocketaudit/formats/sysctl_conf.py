"""sysctl.d(5): assignments of kernel parameters, one per line, and names with shell globs."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_LINES = 20_000


@dataclass(frozen=True, slots=True)
class SysctlLine:
    """One line. `value` is None for a line that only takes a name out of the globs (`-net.ipv4.conf.x`).

    `name` is in the form with dots; `offset` is the byte where the line starts; `ignore_errors`: a leading "-".
    """

    name: str
    value: str | None
    offset: int
    ignore_errors: bool = False

    @property
    def is_glob(self) -> bool:
        return any(char in self.name for char in "*?[")


def parse_sysctl_conf(data: bytes) -> tuple[SysctlLine, ...]:
    """The assignments in file order; lines that systemd would skip with a warning are skipped.

    FormatError for a file of more than 20,000 lines.
    """
    return tuple(_lines(data))


def _lines(data: bytes) -> Iterator[SysctlLine]:
    offset = 0
    for number, raw in enumerate(data.split(b"\n")):
        if number >= MAX_LINES:
            raise FormatError(f"more than {MAX_LINES} lines", offset=offset)
        start, offset = offset, offset + len(raw) + 1
        line = raw.decode("utf-8", "replace").strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        ignore = name.startswith("-")
        name = plain_name(name.lstrip("-").strip())
        if not name:
            continue
        if equals:
            yield SysctlLine(name, " ".join(value.split()), start, ignore)
        elif ignore:
            yield SysctlLine(name, None, start, ignore)


def plain_name(name: str) -> str:
    """A name in the form with dots: in `net/ipv4/conf/eth0.1/x` the first separator says what `/` and `.` mean."""
    for char in name:
        if char == ".":
            return name
        if char == "/":
            return name.translate(str.maketrans("./", "/."))
    return name


def matches(pattern: str, name: str) -> bool:
    """Whether a glob such as `net.ipv4.conf.*.rp_filter` means `name`; a star does not cross a dot."""
    parts, wanted = pattern.split("."), name.split(".")
    return len(parts) == len(wanted) and all(fnmatchcase(w, p) for p, w in zip(parts, wanted, strict=True))
