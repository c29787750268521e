"""A rule's own examples: a small world written down, looked at by the real collectors, judged by the rule."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rocketaudit.analysis.benchmark import judge_rule
from rocketaudit.analysis.benchmark.arguments import describe
from rocketaudit.analysis.benchmark.judge import CLOCK
from rocketaudit.errors import UsageError
from rocketaudit.evidence import COLLECTORS
from rocketaudit.evidence.walking import walk_tree
from rocketaudit.model.binary import Binary
from rocketaudit.model.disk import (
    BootEntry,
    BootKind,
    Container,
    DiskSummary,
    Layout,
    PartitionTable,
    Release,
    TableKind,
)
from rocketaudit.model.evidence import Coverage, Evidence, Gap, SignedBlob, Wants
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import Rule
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verdict import Outcome, Verdict
from rocketaudit.source.memory import Made, MemorySource, broken, file, folder, link

TODAY = "2026-11-22"  # the day on which examples are judged
ROOT = "root"
BANK = "bank-a"


@dataclass(frozen=True, slots=True)
class Example:
    """`verdict` is what the rule must say of the world; `name` tells the cases of one verdict apart."""

    rule: str
    name: str
    verdict: Verdict
    world: Mapping[str, Any]


def parse_examples(path: str, raw: Any) -> tuple[Example, ...]:
    """The examples of one file: {rule id: {pass|fail|unknown|not_applicable|manual, or those with "-case": world}}."""
    if not isinstance(raw, Mapping):
        raise UsageError(f"{path}: expected rules with examples, found {describe(raw)}")
    found: list[Example] = []
    for rule, cases in raw.items():
        if not isinstance(cases, Mapping) or not cases:
            raise UsageError(f"{path}: {rule}: expected cases, found {describe(cases)}")
        for name, world in cases.items():
            verdict = next((v for v in Verdict if name == v.value or name.startswith(f"{v.value}-")), None)
            if verdict is None or not isinstance(world, Mapping):
                raise UsageError(f"{path}: {rule}: the case {name!r} must start with a verdict and hold a world")
            found.append(Example(rule, name, verdict, world))
    return tuple(found)


def evidence_of(world: Mapping[str, Any], keys: Iterable[Key]) -> Evidence:
    """What looking at a world gives.

    `files`: path to text, {link}, {error}, {folder: true} or {text, mode, owner, base64}; `command_line`: of the
    boot entry; `facts` and `running`: written keys to values of the static and the running plane (null: absent,
    {unread: reason}); `binaries`: fields that differ from a well-built program; `walked: false`: nothing was listed.
    """
    left = dict(world)
    files = left.pop("files", None)
    line = left.pop("command_line", None)
    static, running = left.pop("facts", {}), left.pop("running", None)
    binaries = left.pop("binaries", ())
    capabilities = left.pop("capabilities", {})
    scripts, images = left.pop("scripts", ()), left.pop("images", ())
    walked = left.pop("walked", files is not None or bool(binaries) or bool(scripts))
    if left:
        raise UsageError(f"an example does not know {', '.join(map(repr, left))}")
    scope = "node" if running is not None else (BANK if line is not None else ROOT)
    source = _source(files or {}, line, scope)
    seen = [one for collector in COLLECTORS for one in collector.collect(source, Wants(keys=tuple(keys)))]
    if files is None:
        seen = [one for one in seen if line is not None and _is_of_boot(one)]
    facts = [one for one in seen if isinstance(one, Fact)]
    facts += [_fact(text, value, Plane.STATIC, scope) for text, value in static.items()]
    facts += [_fact(text, value, Plane.RUNTIME, scope) for text, value in (running or {}).items()]
    one = walk_tree(source.trees[0], source.budget)
    records = [_with(record, capabilities, scripts, images) for record in one.records] if walked else []
    return Evidence(
        target=source.target,
        judged=scope,
        facts=tuple({(fact.key, fact.plane, fact.scope): fact for fact in facts}.values()),
        files=tuple(records),
        binaries=tuple(_binary(given, scope) for given in binaries),
        packages=tuple(one for one in seen if isinstance(one, Package)),
        disk=source.disk,
        blobs=tuple(one for one in seen if isinstance(one, SignedBlob)),
        covered=tuple(one for one in seen if isinstance(one, Coverage)),
        walked=(scope,) if walked and one.complete else (),
        gaps=tuple(one.gaps) + tuple(item for item in seen if isinstance(item, Gap)),
    )


def _is_of_boot(one: object) -> bool:
    if isinstance(one, Fact):
        return one.key.namespace in ("kernel_arg", "init_arg", "kernel_command_line")
    return isinstance(one, Coverage) and one.pattern in ("kernel_arg:*", "init_arg:*")


def _source(files: Mapping[str, Any], line: str | None, scope: str) -> MemorySource:
    kinds = {"node": TargetKind.NODE, BANK: TargetKind.IMAGE, ROOT: TargetKind.DIRECTORY}
    target = Target("example", kinds[scope])
    disk = None
    if line is not None:
        entry = BootEntry(BootKind.GRUB, "boot-a", 1, "/grub/grub.cfg", bank=scope, command_line=line, is_default=True)
        disk = DiskSummary(
            Container("raw", ("raw",), 0, 0), PartitionTable(TableKind.GPT), (), Layout.OTHER, (), (entry,), Release()
        )
    return MemorySource({scope: {path: _made(path, what) for path, what in files.items()}}, target, scope, disk)


def _made(path: str, what: Any) -> Made:
    match what:
        case str():
            return file(what)
        case {"link": str(target), **rest} if not rest:
            return link(target)
        case {"device": True}:
            return Made(type=FileType.BLOCK, mode=0o660, rdev=(8, 0))
        case {"error": str(reason), **rest}:
            made = broken(reason, kind=FileType(str(rest.get("type", "regular"))))
            selinux = str(rest.get("selinux", ""))
            return replace(made, xattrs=((b"security.selinux", selinux.encode()),)) if selinux else made
        case Mapping():
            return _detailed(path, dict(what))
        case _:
            raise UsageError(f"{path}: a file is text or a mapping, found {describe(what)}")


def _detailed(path: str, what: dict[str, Any]) -> Made:
    text, encoded = what.pop("text", ""), what.pop("base64", None)
    is_folder = what.pop("folder", False)
    uid, _, gid = str(what.pop("owner", "0:0")).partition(":")
    mode = int(str(what.pop("mode", "0755" if is_folder else "0644")), 8)
    selinux, access_list = what.pop("selinux", None), what.pop("access_list", None)
    if what:
        raise UsageError(f"{path}: it does not know {', '.join(map(repr, what))}")
    content = text.encode() if encoded is None else base64.b64decode(encoded)
    owner = (int(uid), int(gid))
    made = folder(mode=mode, owner=owner) if is_folder else file(content, mode=mode, owner=owner)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    if selinux is not None:
        xattrs += ((b"security.selinux", str(selinux).encode()),)
    if access_list is not None:
        xattrs += ((b"system.posix_acl_access", base64.b64decode(access_list)),)
    return replace(made, xattrs=xattrs)


def _with(
    record: FileRecord, capabilities: Mapping[str, Sequence[str]], scripts: Sequence[str], images: Sequence[str]
) -> FileRecord:
    if record.path in capabilities:
        record = replace(record, capability=FileCapability(tuple(capabilities[record.path]), (), effective=True))
    if record.path in scripts:
        record = replace(record, content="script", interpreter="/bin/sh")
    if record.path in images:
        record = replace(record, content="image")
    return record


def _fact(text: str, value: Any, plane: Plane, scope: str) -> Fact:
    key = Key.parse(text)
    where = Locator("example")
    match value:
        case None:
            return Fact(key, plane, State.ABSENT, where, scope=scope)
        case {"unread": str(reason)}:
            return Fact(key, plane, State.UNREAD, where, reason=reason, scope=scope)
        case _:
            return Fact(key, plane, State.PRESENT, where, _frozen(value), scope=scope)


def _frozen(value: Any) -> JsonValue:
    match value:
        case list():
            return tuple(_frozen(item) for item in value)
        case dict():
            return {name: _frozen(item) for name, item in value.items()}
        case _:
            assert value is None or isinstance(value, (str, int, float))
            return value


def _binary(given: Mapping[str, Any], scope: str) -> Binary:
    from rocketaudit.cli.made_binary import made_binary

    return made_binary(dict(given), scope)


def judge_example(example: Example, rule: Rule) -> Outcome:
    """What a rule says of an example's world."""
    needed = () if rule.check is None else rule.check.needs()
    evidence = evidence_of(example.world, needed)
    clock = Fact(CLOCK, Plane.STATIC, State.PRESENT, Locator("example"), TODAY)
    return judge_rule(rule, replace(evidence, facts=(*evidence.facts, clock), _facts={}))
