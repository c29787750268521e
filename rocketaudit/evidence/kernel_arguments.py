"""The kernel command line of every bank, as its boot entry states it."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.formats.kernel_arguments import Argument, parse_kernel_arguments, plain_argument
from rocketaudit.model.disk import BootEntry
from rocketaudit.model.evidence import Coverage, Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.source.protocol import Source

_LINE = Key("kernel_command_line", ("text",))


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    if source.disk is None:
        return
    entries: dict[str, BootEntry] = {}
    for entry in source.disk.boot_entries:
        known = entries.get(entry.bank or entry.scope)
        if known is None or (entry.is_default and not known.is_default):
            entries[entry.bank or entry.scope] = entry
    names = {partition.number: partition.name for partition in source.disk.partitions}
    for scope, entry in entries.items():
        where = Locator(source.target.name, names.get(entry.partition, entry.scope), entry.path)
        yield from argument_facts(entry.command_line, Plane.STATIC, scope, where)


def argument_facts(text: str, plane: Plane, scope: str, where: Locator) -> Iterator[Seen]:
    """The facts of one command line; of an argument that is repeated the last value counts, `#all` holds all."""
    if not text:
        yield Fact(_LINE, plane, State.UNREAD, where, reason="the boot entry states no command line", scope=scope)
        return
    try:
        arguments = parse_kernel_arguments(text)
    except FormatError as error:
        yield Fact(_LINE, plane, State.UNREAD, where, reason=str(error), scope=scope)
        return
    yield Fact(_LINE, plane, State.PRESENT, where, text, scope=scope)
    for namespace, part in (("kernel_arg", arguments.kernel), ("init_arg", arguments.init)):
        yield Coverage(plane, scope, f"{namespace}:*")
        yield from _facts_of(namespace, part, plane, scope, where)


def _facts_of(
    namespace: str, arguments: tuple[Argument, ...], plane: Plane, scope: str, where: Locator
) -> Iterator[Seen]:
    values: dict[str, list[str]] = {}
    for argument in arguments:
        values.setdefault(plain_argument(argument.name), []).append(argument.value or "")
    for name, given in values.items():
        yield Fact(Key(namespace, (name,)), plane, State.PRESENT, where, given[-1], scope=scope)
        if len(given) > 1:
            yield Fact(Key(namespace, (name,), "all"), plane, State.PRESENT, where, tuple(given), scope=scope)


STATIC = Collector(
    "kernel_arguments", Plane.STATIC, ("kernel_arg:*", "init_arg:*", "kernel_command_line:text"), _collect
)
