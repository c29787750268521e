"""From rule files to benchmarks, or a message that names the file, the rule and what is wrong with it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from rocketaudit.analysis.benchmark.arguments import Arguments, describe
from rocketaudit.analysis.benchmark.words.logic import AllOf, AnyOf, AskPerson, When
from rocketaudit.errors import FormatError, UsageError
from rocketaudit.formats.strict_yaml import load_strict
from rocketaudit.model.fact import Plane
from rocketaudit.model.policy import Tailoring
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import Benchmark, Check, Rule
from rocketaudit.model.verdict import Severity

HEAD = "benchmark.yaml"
EXAMPLES = ".examples.yaml"
MAPPINGS = ("cis_bottlerocket", "cis_kubernetes_1_8", "cis_kubernetes_1_11", "nist_800_53", "nist_800_190")
ALL_BANKS = "all_banks"
MAX_DEPTH = 8
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_SECTION = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class _Head:
    """benchmark.yaml: what all rules of the folder share."""

    id: str
    title: str
    version: str
    description: str
    sections: Mapping[str, str]
    applies_if: Check | None


def load_benchmarks(files: Mapping[str, bytes], tailoring: Tailoring | None = None) -> tuple[Benchmark, ...]:
    """The benchmarks in `files` (path -> bytes), one per folder with a benchmark.yaml, sorted by folder.

    Raises UsageError for the first thing that is wrong; ids must be unique over all given benchmarks.
    """
    change = tailoring or Tailoring()
    folders: dict[str, list[str]] = {}
    for path in sorted(files):
        if path.endswith(".yaml") and not path.endswith(EXAMPLES):
            folders.setdefault(posixpath.dirname(path), []).append(path)
    seen: dict[str, str] = {}
    benchmarks = tuple(_benchmark(folder, paths, files, change, seen) for folder, paths in folders.items())
    names = [benchmark.id for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise UsageError(f"two benchmarks are called {next(name for name in names if names.count(name) > 1)!r}")
    _check_tailoring(change, seen)
    return benchmarks


def _benchmark(
    folder: str, paths: list[str], files: Mapping[str, bytes], change: Tailoring, seen: dict[str, str]
) -> Benchmark:
    head_path = posixpath.join(folder, HEAD)
    if head_path not in paths:
        raise UsageError(
            f"{folder or 'the rules'}: there is no {HEAD}", hint="it holds id, title, version and sections"
        )
    head = _head(head_path, _yaml(head_path, files[head_path]))
    rules: list[Rule] = []
    for path in paths:
        if path == head_path:
            continue
        raw = _yaml(path, files[path])
        if not isinstance(raw, list):
            raise UsageError(f"{path}: expected a list of rules, found {describe(raw)}")
        for number, one in enumerate(raw, 1):
            rule = _rule(f"{path}: rule {number}", one, head, change)
            if rule.id in seen:
                raise UsageError(f"{path}: the id {rule.id!r} is used twice (also in {seen[rule.id]})")
            seen[rule.id] = path
            if _is_selected(rule.id, change):
                rules.append(rule)
    rules.sort(key=lambda rule: _section_order(rule.section))
    return Benchmark(head.id, head.title, head.version, head.description, tuple(rules), head.sections)


def _yaml(path: str, data: bytes) -> Any:
    try:
        return load_strict(data)
    except FormatError as error:
        raise UsageError(f"{path}: {error}") from error


def _head(path: str, raw: Any) -> _Head:
    arguments = Arguments(path, raw)
    sections = arguments.take("sections")
    if not isinstance(sections, Mapping) or not all(isinstance(title, str) for title in sections.values()):
        raise UsageError(f"{path}: 'sections' must map numbers in quotes to titles")
    applies = parse_check(arguments.take("applies_if"), path) if arguments.has("applies_if") else None
    head = _Head(
        id=arguments.text("id"),
        title=arguments.text("title"),
        version=arguments.text("version"),
        description=arguments.text("description").strip(),
        sections=dict(sections),
        applies_if=applies,
    )
    arguments.texts("provenance", ())
    arguments.end()
    return head


def _rule(place: str, raw: Any, head: _Head, change: Tailoring) -> Rule:
    if isinstance(raw, Mapping) and isinstance(raw.get("id"), str):
        place = f"{place.partition(':')[0]}: {raw['id']}"
    arguments = Arguments(place, raw)
    rule_id = arguments.text("id")
    if not _ID.match(rule_id):
        raise UsageError(f"{place}: an id is lower-case words joined by '-', found {rule_id!r}")
    section = arguments.text("section")
    belongs = any(section == known or section.startswith(f"{known}.") for known in head.sections)
    if not _SECTION.match(section) or not belongs:
        raise UsageError(f"{place}: section {section!r} belongs to none of {', '.join(head.sections)}")
    level = change.levels.get(rule_id, arguments.number("level"))
    if level not in (0, 1, 2):
        raise UsageError(f"{place}: a level is 1 or 2 (0: counts at every level), found {level}")
    check = _check(place, rule_id, arguments, change)
    rule = Rule(
        id=rule_id,
        section=section,
        title=arguments.text("title"),
        level=level,
        severity=Severity(arguments.choice("severity", tuple(one.value for one in Severity))),
        planes=_planes(arguments),
        rationale=arguments.text("rationale").strip(),
        remediation=arguments.text("remediation").strip(),
        check=_within(head.applies_if, check),
        scored=arguments.flag("scored", default=True),
        scope=arguments.choice("scope", (ALL_BANKS,)) if arguments.has("scope") else "",
        maps_to=_mapping(place, arguments),
    )
    arguments.end()
    return rule


def _check(place: str, rule_id: str, arguments: Arguments, change: Tailoring) -> Check | None:
    if not arguments.has("check"):
        if rule_id in change.values:
            raise UsageError(f"{place}: tailoring sets values of a rule that a person answers")
        return None
    raw = arguments.take("check")
    values = change.values.get(rule_id)
    if values is not None:
        if not isinstance(raw, Mapping) or len(raw) != 1:
            raise UsageError(f"{place}: tailoring cannot set values of this check")
        ((word, given),) = raw.items()
        if not isinstance(given, Mapping):
            raise UsageError(f"{place}: tailoring can only set values of a single word, not of {word}")
        raw = {word: {**given, **{name: _plain(value) for name, value in values.items()}}}
    return parse_check(raw, place)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _within(applies: Check | None, check: Check | None) -> Check | None:
    if applies is None:
        return check
    return When(applies, AskPerson() if check is None else check)


def _planes(arguments: Arguments) -> tuple[Plane, ...]:
    given = arguments.texts("planes", ("static", "runtime"))
    known = tuple(plane.value for plane in Plane)
    if not set(given) <= set(known) or len(set(given)) != len(given):
        raise UsageError(
            f"{arguments.word}: planes are some of {', '.join(known)}, each once; found {', '.join(given)}"
        )
    return tuple(plane for plane in Plane if plane.value in given)


def _mapping(place: str, arguments: Arguments) -> Mapping[str, tuple[str, ...]]:
    if not arguments.has("maps_to"):
        return {}
    inner = Arguments(f"{place}: maps_to", arguments.take("maps_to"))
    found = {name: inner.texts(name) for name in MAPPINGS if inner.has(name)}
    inner.end()
    return found


@cache
def _words() -> Mapping[str, Any]:
    from rocketaudit.analysis.benchmark.words import WORDS

    return dict(WORDS)


def parse_check(raw: object, place: str, depth: int = 0) -> Check:
    """A check out of `{word: arguments}`; UsageError that starts with `place`."""
    if depth > MAX_DEPTH:
        raise UsageError(f"{place}: words nested deeper than {MAX_DEPTH}")
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise UsageError(f"{place}: a check is one word with its arguments, found {describe(raw)}")
    ((word, given),) = raw.items()
    match word:
        case "all_of" | "any_of":
            if not isinstance(given, list) or not given:
                raise UsageError(f"{place}: {word} takes a list of checks, found {describe(given)}")
            parts = tuple(parse_check(one, f"{place}: {word}", depth + 1) for one in given)
            return AllOf(parts) if word == "all_of" else AnyOf(parts)
        case "when":
            inner = Arguments(f"{place}: when", given)
            condition = parse_check(inner.take("if"), f"{place}: when if", depth + 1)
            then = parse_check(inner.take("then"), f"{place}: when then", depth + 1)
            inner.end()
            return When(condition, then)
        case _:
            words = _words()
            if word not in words:
                raise UsageError(f"{place}: there is no word {word!r}", hint=f"known are {', '.join(words)}")
            try:
                check: Check = words[word](given)
            except UsageError as error:
                raise UsageError(f"{place}: {error}", hint=error.hint) from error
            return check


def _is_selected(rule_id: str, change: Tailoring) -> bool:
    chosen = not change.select or any(fnmatchcase(rule_id, glob) for glob in change.select)
    return chosen and not any(fnmatchcase(rule_id, glob) for glob in change.skip)


def _check_tailoring(change: Tailoring, seen: Mapping[str, str]) -> None:
    unknown = sorted({*change.levels, *change.values} - set(seen))
    if unknown:
        raise UsageError(f"the tailoring names rules that do not exist: {', '.join(unknown)}")
    for glob in (*change.select, *change.skip):
        if not any(fnmatchcase(rule_id, glob) for rule_id in seen):
            raise UsageError(f"the tailoring names {glob!r}, which no rule is called")


def _section_order(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))
