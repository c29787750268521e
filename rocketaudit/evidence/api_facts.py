"""What the API of a running node answers: settings, release, updates, and Bottlerocket's own checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS, root_trees, wanted
from rocketaudit.evidence.running import Running, RuntimeFacts, running_node
from rocketaudit.evidence.setting_names import may_leave
from rocketaudit.evidence.settings import is_secret, leaves, read_defaults
from rocketaudit.formats.apiclient_report import parse_apiclient_report
from rocketaudit.model.codec import parse
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Locator, Plane
from rocketaudit.source.api_client import Answer, ApiState
from rocketaudit.source.protocol import Source

SETTINGS = Key("settings", ("api",))
WITHHELD = "its value stays on the node: it may be a secret"
UPDATE_STATE = Key("update", ("status",), "state")
IN_PLACE = Key("update", ("status",), "in_place")
NO_UPDATES = "updates in place are switched off on this node, or were never asked for"
_OS = ("pretty_name", "variant_id", "version_id", "build_id", "arch")
REPORTS = (
    ("bottlerocket", "/report/cis?type=bottlerocket&level=2&format=json"),
    ("kubernetes", "/report/cis?type=kubernetes&level=2&format=json"),
    ("fips", "/report/fips?format=json"),
)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    answer = node.node.api.get("/os")
    yield from os_facts(node, answer, _where(node, "/os"))
    if answer.state in (ApiState.NO_SOCKET, ApiState.DENIED):
        for key in (*dict.fromkeys(wanted(wants, "setting")), SETTINGS, UPDATE_STATE, IN_PLACE):
            yield node.unread(key, _where(node, "/"), f"{answer.reason}; it takes a host container, or control_t")
        return
    yield from _settings(node, wants)
    status = node.node.api.get("/updates/status")
    yield from update_facts(node, status, _where(node, "/updates/status"), one_bank=_has_one_bank(node))
    for name, target in REPORTS:
        yield from check_facts(node, name, node.node.api.get(target), _where(node, target))


def _where(node: Running, target: str) -> Locator:
    return Locator(f"api:{node.node.api.path.name}", "", target.partition("?")[0])


def parsed(answer: Answer) -> Any:
    """The JSON of an answer; FormatError says why there is none."""
    if answer.state is not ApiState.ANSWERED:
        raise FormatError(answer.reason)
    return parse(answer.body)


def os_facts(node: RuntimeFacts, answer: Answer, where: Locator) -> Iterator[Seen]:
    """The release. Both spellings: the documents say pretty-name, the server pretty_name."""
    try:
        raw = parsed(answer)
        if not isinstance(raw, Mapping):
            raise FormatError("the API's /os is no object")
    except FormatError as error:
        yield node.unread(Key("os", ("variant_id",)), where, str(error))
        return
    for name in _OS:
        value = raw.get(name, raw.get(name.replace("_", "-")))
        yield (
            node.absent(Key("os", (name,)), where)
            if value is None
            else node.present(Key("os", (name,)), str(value)[:200], where)
        )


def _settings(node: Running, wants: Wants) -> Iterator[Seen]:
    asked = frozenset(key.subject for key in wanted(wants, "setting"))
    where = _where(node, "/settings")
    try:
        raw = parsed(node.node.api.get("/settings"))
        settings = raw.get("settings", raw) if isinstance(raw, Mapping) else None
        if not isinstance(settings, dict):
            raise FormatError("the API's settings are no object")
    except FormatError as error:
        for path in (*sorted(asked),):
            yield node.unread(Key("setting", path), where, str(error))
        yield node.unread(SETTINGS, where, str(error))
        return
    defaults = _defaults(node)
    count = 0
    for path, value in leaves(settings, (), 0):
        count += 1
        if count > MAX_FACTS:
            yield node.unread(SETTINGS, where, f"more than {MAX_FACTS} settings")
            return
        if may_leave(path, value, asked) or _is_default(path, value, defaults):
            yield node.present(Key("setting", path), value, where)
        else:
            other = "; it is not the image's default" if path in defaults else ""
            yield node.unread(Key("setting", path), where, WITHHELD + other)
    yield node.covers("setting:*")
    yield node.present(SETTINGS, count, where)


def _defaults(node: Running) -> dict[tuple[str, ...], JsonValue]:
    """The defaults that the node's own image publishes, none where its root cannot be seen."""
    trees = (tree for tree in root_trees(node.node) if tree.scope == node.node.judged)
    return {path: value for tree in trees for path, value in leaves(read_defaults(tree).settings, (), 0)}


def _is_default(path: tuple[str, ...], value: JsonValue, defaults: Mapping[tuple[str, ...], JsonValue]) -> bool:
    """A value that everybody can read in the image is no secret, unless its name says that it is one."""
    known = not is_secret(path) and path in defaults
    return known and defaults[path] == value and type(defaults[path]) is type(value)


def _has_one_bank(node: Running) -> bool:
    """Whether the disk was seen and has no other bank to write an update into."""
    return node.node.disk is not None and len(node.node.disk.banks) == 1


def update_facts(node: RuntimeFacts, answer: Answer, where: Locator, *, one_bank: bool = False) -> Iterator[Seen]:
    """Whether an update waits, and what boots next; where nothing is updated in place, that and no more."""
    if answer.state is ApiState.NOT_THERE:
        if one_bank:
            yield node.present(IN_PLACE, False, where)
        else:
            yield node.unread(IN_PLACE, where, f"{NO_UPDATES} ({answer.reason})")
        yield node.unread(UPDATE_STATE, where, f"{NO_UPDATES} ({answer.reason})")
        return
    if answer.state in (ApiState.ANSWERED, ApiState.BUSY):
        yield node.present(IN_PLACE, True, where)
    else:
        yield node.unread(IN_PLACE, where, answer.reason)
    try:
        raw = parsed(answer)
        if not isinstance(raw, Mapping):
            raise FormatError("the API's update status is no object")
    except FormatError as error:
        yield node.unread(UPDATE_STATE, where, str(error))
        return
    active = raw.get("active_partition", raw.get("active-partition"))
    image = active.get("image") if isinstance(active, Mapping) else None
    values: dict[str, JsonValue] = {
        "state": _text(raw.get("update_state", raw.get("update-state"))),
        "chosen": _version(raw.get("chosen_update", raw.get("chosen-update"))),
        "running": _version(image),
        "running_boots_next": active.get("next_to_boot", active.get("next-to-boot"))
        if isinstance(active, Mapping)
        else None,
    }
    for name, value in values.items():
        key = Key("update", ("status",), name)
        yield node.absent(key, where) if value is None else node.present(key, value, where)


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _version(value: object) -> str | None:
    return _text(value.get("version")) if isinstance(value, Mapping) else _text(value)


def check_facts(node: RuntimeFacts, name: str, answer: Answer, where: Locator) -> Iterator[Seen]:
    """What Bottlerocket's own checker says; we judge by ourselves, and `compare-apiclient` explains differences."""
    whole = Key("own_check", (name,), "status")
    if answer.state is not ApiState.ANSWERED:
        yield node.unread(whole, where, answer.reason)
        return
    try:
        report = parse_apiclient_report(answer.body)
    except FormatError as error:
        yield node.unread(whole, where, str(error))
        return
    yield node.present(whole, report.status.lower(), where)
    if report.version:
        yield node.present(Key("own_check", (name,), "version"), report.version[:80], where)
    for row in report.rows[:MAX_FACTS]:
        yield node.present(Key("own_check", (name, row.id), "status"), row.status.value, where)


RUNTIME = Collector("api", Plane.RUNTIME, ("setting:*", "settings:api", "os:*", "update:*", "own_check:*"), _collect)
