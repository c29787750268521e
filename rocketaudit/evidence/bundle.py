"""Evidence from a bundle of `deploy/control/collect.sh`: the node's own word, so that its assurance is "asserted"."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.evidence import api_facts, kernel_arguments
from rocketaudit.evidence.collector import Seen
from rocketaudit.evidence.config_files import MAX_FACTS
from rocketaudit.evidence.kernel_arguments import NOT_SHOWN
from rocketaudit.evidence.kernel_modules import LOADED
from rocketaudit.evidence.running import RuntimeFacts
from rocketaudit.evidence.running_verity import entry_of_text, statement_of
from rocketaudit.evidence.setting_names import may_leave
from rocketaudit.evidence.settings import plain_value
from rocketaudit.evidence.verity import plan_jobs
from rocketaudit.evidence.verity_check import finish_jobs
from rocketaudit.formats.bundle import Bundle, BundleAnswer, BundleLine, texts_of
from rocketaudit.formats.kernel_arguments import plain_argument
from rocketaudit.formats.modprobe_conf import plain_module
from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.codec import parse
from rocketaudit.model.evidence import Coverage, Evidence, Gap
from rocketaudit.model.fact import Assurance, Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.target import Target, TargetKind, Tool
from rocketaudit.source.api_client import Answer, ApiState, judge_answer
from rocketaudit.source.places import NODE

COMMAND_LINE = Key("kernel_command_line", ("text",))
ALL_OPTIONS = Key("kconfig", ("all",))
# what a bundle may state; anything else (a verdict, a file, a key of another plane) is not believed
STATED = (
    "sysctl:*",
    "kernel_command_line:text",
    "kconfig:*",
    "modules:loaded",
    "kernel:tainted",
    "lockdown:mode",
    "fips:enabled",
    "fips:name",
    "unit:*#active",
    "units:running",
)
CHECKS = {"/report/cis": "bottlerocket", "/report/cis/kubernetes": "kubernetes", "/report/fips": "fips"}


def bundle_keys(needed: Iterable[Key]) -> dict[str, tuple[str, ...]]:
    """Which subjects the collector has to look at, by namespace, of all keys that the shipped rules need."""
    found: dict[str, set[str]] = {name: set() for name in ("sysctl", "kernel_arg", "kconfig", "unit", "setting")}
    for key in needed:
        namespace = "kernel_arg" if key.namespace == "init_arg" else key.namespace
        if namespace == "unit" and key.attribute != "active":
            continue
        if namespace in found and "*" not in key.subject[0]:
            subject = json.dumps(list(key.subject), separators=(",", ":")) if namespace == "setting" else key.subject[0]
            found[namespace].add(subject)
    asked = {plain_argument(name).lower() for name in found["kernel_arg"] | kernel_arguments.SHOWN}
    found["kernel_arg"] = asked - kernel_arguments.NEVER_SHOWN
    return {name: tuple(sorted(subjects)) for name, subjects in found.items()}


def keys_digest(keys: dict[str, tuple[str, ...]]) -> str:
    """SHA-256 (hex) of what the collector was told to look at: a bundle names it."""
    return hashlib.sha256(json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def evidence_of_bundle(bundle: Bundle, needed: Iterable[Key], *, name: str, tool: Tool) -> Evidence:
    """What the node says of itself. What the bundle does not hold is unread; what it may not state is a gap."""
    keys = tuple(dict.fromkeys(needed))
    gaps = [Gap(NODE, "", "a bundle holds no files of the node")]
    gaps += [Gap(NODE, "", problem) for problem in bundle.problems]
    if bundle.keys != keys_digest(bundle_keys(keys)):
        gaps.append(
            Gap(NODE, "", "the bundle was collected for another list of rules: what they need beyond it is unread")
        )
    seen = list(_Bundled(bundle, keys, name).all())
    facts = tuple(item for item in seen if isinstance(item, Fact))
    told = {fact.key.subject[0]: str(fact.value) for fact in facts if fact.key.namespace == "os" and fact.value}
    return Evidence(
        target=Target(
            name=name,
            kind=TargetKind.NODE,
            container="bundle",
            os_name=told.get("pretty_name", ""),
            variant=told.get("variant_id", ""),
            version=told.get("version_id", ""),
            build=told.get("build_id", ""),
            arch=told.get("arch", ""),
            boot_id=bundle.boot_id,
        ),
        judged=NODE,
        facts=facts,
        verity=_verity(bundle, name),
        covered=tuple(item for item in seen if isinstance(item, Coverage)),
        gaps=(*gaps, *(item for item in seen if isinstance(item, Gap))),
        collected_by=tool,
        when=datetime.fromtimestamp(bundle.time, UTC).isoformat(timespec="seconds"),
        assurance=Assurance.ASSERTED,
    )


def _verity(bundle: Bundle, name: str) -> tuple[BankVerity, ...]:
    """What the running kernel was told of its tree; nobody checked it."""
    line = next((one for one in bundle.lines if one.key == COMMAND_LINE and isinstance(one.value, str)), None)
    entry = None if line is None else entry_of_text(str(line.value), NODE)
    if line is None or entry is None:
        return ()
    where = Locator(name, "", f"bundle line {line.number}")
    return tuple(finish_jobs(plan_jobs(None, None, name, {NODE: (statement_of(entry, where),)}), {}, ()))


class _Bundled(RuntimeFacts):
    """Turns the lines of one bundle into facts, by the same readers as on a node."""

    __slots__ = ("_answers", "_bundle", "_keys", "_name")

    def __init__(self, bundle: Bundle, keys: tuple[Key, ...], name: str) -> None:
        self._bundle = bundle
        self._keys = keys
        self._name = name
        self._answers = {answer.target: answer for answer in bundle.answers}

    def all(self) -> Iterator[Seen]:
        where = Locator(self._name, "", "bundle")
        yield self.present(
            Key("node", ("where",)), f"a container on the node, by collect.sh ({self._bundle.where})", where
        )
        yield self.present(Key("node", ("boot_id",)), self._bundle.boot_id, where)
        for line in self._bundle.lines:
            place = self._at(line.number)
            if not any(fnmatchcase(str(line.key), pattern) for pattern in STATED):
                yield Gap(NODE, "", f"line {line.number} of the bundle states {line.key}, which no bundle can know")
            elif line.key == COMMAND_LINE:
                yield from self._command_line(line, place)
            elif line.key == ALL_OPTIONS:
                yield from (self.unread(key, place, line.reason) for key in self._asked("kconfig"))
            else:
                yield self._fact(line, place)
        yield from self._api()

    def _at(self, number: int) -> Locator:
        return Locator(self._name, "", f"bundle line {number}")

    def _asked(self, namespace: str) -> Iterator[Key]:
        return (key for key in self._keys if key.namespace == namespace)

    def _fact(self, line: BundleLine, where: Locator) -> Fact:
        match line.state:
            case State.ABSENT:
                return self.absent(line.key, where)
            case State.UNREAD:
                return self.unread(line.key, where, line.reason)
            case State.PRESENT:
                try:
                    return self.present(line.key, _checked(line), where)
                except FormatError as error:
                    return self.unread(line.key, where, str(error))

    def _command_line(self, line: BundleLine, where: Locator) -> Iterator[Seen]:
        if line.state is not State.PRESENT or not isinstance(line.value, str):
            yield self.unread(COMMAND_LINE, where, line.reason or "the bundle holds no text of it")
            return
        asked = {plain_argument(key.subject[0]) for name in ("kernel_arg", "init_arg") for key in self._asked(name)}
        for item in kernel_arguments.argument_facts(line.value, Plane.RUNTIME, NODE, where):
            if isinstance(item, Fact) and item.key == COMMAND_LINE and item.state is State.PRESENT:
                yield replace(item, value=kernel_arguments.shown_command_line(line.value, asked))
            elif isinstance(item, Fact) and kernel_arguments.is_never_shown(item.key.subject[0]):
                yield replace(item, value=NOT_SHOWN)
            elif isinstance(item, Fact) and _is_withheld(item.value):
                yield self.unread(item.key, where, kernel_arguments.WITHHELD)
            else:
                yield item

    def _api(self) -> Iterator[Seen]:
        yield from api_facts.os_facts(self, *self._answer("/os"))
        yield from self._settings(*self._answer("/settings"))
        yield from api_facts.update_facts(self, *self._answer("/updates/status"))
        for target, name in CHECKS.items():
            yield from api_facts.check_facts(self, name, *self._answer(target))

    def _answer(self, target: str) -> tuple[Answer, Locator]:
        found = self._answers.get(target)
        if found is None:
            return Answer(ApiState.FAILED, reason="the bundle does not hold it"), Locator(self._name, "", "bundle")
        return _as_answer(found), self._at(found.number)

    def _settings(self, answer: Answer, where: Locator) -> Iterator[Seen]:
        """The settings that the collector was told to look at; of any other nothing is known.

        One with "*" in its path covers all that match: those that are not stated are absent.
        """
        asked = frozenset(key.subject for key in self._asked("setting"))
        try:
            raw = api_facts.parsed(answer)
            rows = list(_rows(raw))
        except FormatError as error:
            for key in (*(Key("setting", path) for path in sorted(asked)), api_facts.SETTINGS):
                yield self.unread(key, where, str(error))
            return
        for path, state, value in rows[:MAX_FACTS]:
            key = Key("setting", path)
            if state is State.ABSENT:
                yield self.absent(key, where)
            elif state is State.UNREAD or not may_leave(path, value, asked):
                yield self.unread(key, where, api_facts.WITHHELD)
            else:
                yield self.present(key, value, where)
        for path in _looked_through(raw):
            if path in asked:
                yield self.covers(_pattern(path))
        yield self.present(api_facts.SETTINGS, len(rows), where)


def _rows(raw: object) -> Iterator[tuple[tuple[str, ...], State, JsonValue]]:
    if not isinstance(raw, list):
        raise FormatError("the settings of a bundle are a list")
    for row in raw:
        path = row.get("path") if isinstance(row, dict) else None
        if not isinstance(path, list) or not path or not all(isinstance(name, str) for name in path):
            raise FormatError("a setting of a bundle has no path")
        if row.get("all") is True:
            continue
        if row.get("kept") is True:
            yield tuple(path), State.UNREAD, None
        elif "value" in row:
            yield tuple(path), State.PRESENT, plain_value(row["value"])
        else:
            yield tuple(path), State.ABSENT, None


def _looked_through(raw: Any) -> Iterator[tuple[str, ...]]:
    """Paths with "*" of which every match is stated."""
    return (tuple(row["path"]) for row in raw if row.get("all") is True and "*" in row["path"])


def _pattern(path: tuple[str, ...]) -> str:
    """The glob over written keys that a path with "*" stands for."""
    return str(Key("setting", path)).replace("[", "[[]", 1)


def _as_answer(found: BundleAnswer) -> Answer:
    if found.status == 200:
        return judge_answer(200, found.body)
    text = parse(found.body)
    reason = text if isinstance(text, str) else "no answer"
    if not found.status:
        return Answer(ApiState.FAILED, reason=reason)
    return judge_answer(found.status, reason.encode())


def _checked(line: BundleLine) -> JsonValue:
    """The value, of the kind that the key has; FormatError when it is of another."""
    if line.key == LOADED:
        return tuple(sorted(plain_module(name) for name in texts_of(line.value)))[:MAX_FACTS]
    if line.key.namespace == "units":
        return tuple(texts_of(line.value))[:MAX_FACTS]
    if not isinstance(line.value, str):
        raise FormatError(f"{line.key} is a text, not {type(line.value).__name__}")
    return line.value


def _is_withheld(value: JsonValue) -> bool:
    return value == NOT_SHOWN or (isinstance(value, tuple) and NOT_SHOWN in value)
