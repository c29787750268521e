"""The kernel command line: of every bank as its boot entry states it, and the one that a node was started with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import wanted
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.formats.bootconfig import parse_bootconfig
from rocketaudit.formats.kernel_arguments import Argument, parse_kernel_arguments, plain_argument
from rocketaudit.model.disk import BootEntry
from rocketaudit.model.evidence import Coverage, Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.source.protocol import Source

_LINE = Key("kernel_command_line", ("text",))
BOOTCONFIG = Key("bootconfig", ("keys",))
WITHHELD = "its value stays on the node: it may be a secret"
_LIMIT = 64 << 10
# arguments whose values say how a system is set up and can hold no secret; of others only the name is shown
_SHOWN_WORDS = (
    "audit biosdevname boot_image bootconfig cgroup_enable cgroup_no_v1 console crashkernel debugfs "
    "default_hugepagesz dm_mod.create efi enforcing fips hugepages hugepagesz init init_on_alloc init_on_free "
    "intel_iommu iommu ipv6.disable lockdown loglevel lsm mitigations module.sig_enforce module_blacklist "
    "net.ifnames netdog.default_interface nmi_watchdog norandmaps nosmt numa_balancing nvme_core.io_timeout "
    "page_alloc.shuffle panic pti quiet raid random.trust_bootloader random.trust_cpu rd.shell ro root rootfstype "
    "rootwait rw security selinux single slab_nomerge slub_debug spectre_v2 splash systemd.debug_shell "
    "systemd.log_color systemd.log_level systemd.log_target systemd.show_status systemd.unified_cgroup_hierarchy "
    "systemd.unit transparent_hugepage tsc vsyscall"
)
SHOWN = frozenset(_SHOWN_WORDS.split())
# rules ask only whether these are given; what they say (an environment, a command, a password) may be a secret
NEVER_SHOWN = frozenset(
    {"systemd.pull", "systemd.run", "systemd.set_credential", "systemd.set_credential_binary", "systemd.setenv"}
)
NOT_SHOWN = "(not shown)"
_LOADERS = frozenset({"BOOT_IMAGE", "bootconfig"})  # what GRUB adds by itself
_SHOWN_FAMILIES = ("sysctl.", "systemd.mask", "systemd.wants")


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


def _collect_running(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    path = node.node.places.proc / "cmdline"
    seen = node.read(path, limit=_LIMIT)
    asked = {plain_argument(key.subject[0]) for name in ("kernel_arg", "init_arg") for key in wanted(wants, name)}
    if seen.state is not State.PRESENT:
        yield node.unread(_LINE, seen.where, seen.reason or "there is none")
    else:
        for item in argument_facts(seen.text, Plane.RUNTIME, node.node.judged, seen.where):
            yield _shown(node, item, seen.text, asked)
        yield from _compared(node, seen.text, seen.where)
    yield from _bootconfig(node)


def _compared(node: Running, text: str, where: Locator) -> Iterator[Seen]:
    """Names of arguments that the running kernel got and its boot file does not state, and the other way round."""
    entries = () if node.node.disk is None else node.node.disk.boot_entries
    mine = [entry for entry in entries if entry.bank == node.node.judged]
    if not mine:
        return
    try:
        running = _names(parse_kernel_arguments(text).kernel)
        stated = _names(parse_kernel_arguments(min(mine, key=lambda one: not one.is_default).command_line).kernel)
    except FormatError:
        return
    added = tuple(sorted(name for name in running if running[name] != stated.get(name) and name not in _LOADERS))
    missing = tuple(sorted(name for name in stated if name not in running))
    yield node.present(Key("kernel_command_line", ("added",)), added, where)
    yield node.present(Key("kernel_command_line", ("missing",)), missing, where)


def _names(arguments: tuple[Argument, ...]) -> dict[str, tuple[str | None, ...]]:
    values: dict[str, tuple[str | None, ...]] = {}
    for argument in arguments:
        name = plain_argument(argument.name)
        values[name] = (*values.get(name, ()), argument.value)
    return values


def _shown(node: Running, item: Seen, text: str, asked: set[str]) -> Seen:
    """A fact, or the fact that its value stays here."""
    if not isinstance(item, Fact) or item.state is not State.PRESENT:
        return item
    if item.key == _LINE:
        return replace(item, value=shown_command_line(text, asked))
    if is_shown(item.key.subject[0], asked) or not item.value:
        return item
    if is_never_shown(item.key.subject[0]):
        return replace(item, value=NOT_SHOWN)
    return node.unread(item.key, item.where, WITHHELD)


def is_shown(name: str, asked: set[str] | frozenset[str] = frozenset()) -> bool:
    """Whether the value of an argument may leave the node: a rule asks for it, or it can hold no secret."""
    plain = plain_argument(name).lower()
    if plain in NEVER_SHOWN:
        return False
    return plain in asked or plain in SHOWN or plain.startswith(_SHOWN_FAMILIES)


def is_never_shown(name: str) -> bool:
    """Whether only the name of an argument may leave the node, whoever asks."""
    return plain_argument(name).lower() in NEVER_SHOWN


def shown_command_line(text: str, asked: set[str] | frozenset[str] = frozenset()) -> str:
    """The command line with the values of all other arguments left out."""
    arguments = parse_kernel_arguments(text)
    parts = []
    for argument in arguments.kernel + ((Argument("--", None),) if arguments.init else ()) + arguments.init:
        if argument.value is None:
            parts.append(argument.name)
        elif not is_shown(argument.name, asked):
            parts.append(f"{argument.name}={NOT_SHOWN}")
        else:
            blank = any(char.isspace() for char in argument.value)
            parts.append(f'"{argument.name}={argument.value}"' if blank else f"{argument.name}={argument.value}")
    return " ".join(parts)


def _bootconfig(node: Running) -> Iterator[Seen]:
    """Keys that a boot configuration adds; the kernel's are on the command line already, the init's are not signed."""
    seen = node.read(node.node.places.proc / "bootconfig", limit=_LIMIT)
    names: tuple[str, ...] = ()
    if seen.state is State.PRESENT and seen.text:
        try:
            names = tuple(option.key for option in parse_bootconfig(seen.text.encode()).options)
        except FormatError as error:
            yield node.unread(BOOTCONFIG, seen.where, str(error))
            return
    yield node.of(BOOTCONFIG, seen, names)


STATIC = Collector(
    "kernel_arguments", Plane.STATIC, ("kernel_arg:*", "init_arg:*", "kernel_command_line:text"), _collect
)
RUNTIME = Collector(
    "kernel_arguments",
    Plane.RUNTIME,
    ("kernel_arg:*", "init_arg:*", "kernel_command_line:*", "bootconfig:keys"),
    _collect_running,
)
