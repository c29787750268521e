"""A running node against the release that it should be: runtime facts of one, shipped facts of the other.

Only what the release has an opinion on is compared: a kernel parameter that no file of the image sets has no value
to differ from. Two nodes, or two moments of one, are compared fact by fact elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rocketaudit.analysis.drift.areas import area_of
from rocketaudit.analysis.drift.facts import DERIVED, shown
from rocketaudit.analysis.drift.mapped import compare_mapped
from rocketaudit.analysis.drift.sides import Sides, difference, not_comparable, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import NOT_COLLECTED, Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.target import TargetKind

SUBJECT = "node"
LOADED, LOADABLE, BUILT_IN = (Key("modules", (name,)) for name in ("loaded", "loadable", "built_in"))
LOCKDOWN = Key("lockdown", ("mode",))
_SHOWS_CONFIG = Key("kconfig", ("CONFIG_IKCONFIG_PROC",))
_NO_CONFIG = "the release's kernel is built without /proc/config.gz, so that no node shows its options"
_SAFE_OPTIONS = ("ro", "nosuid", "nodev", "noexec")
_BOOT_LOADER = ("BOOT_IMAGE",)  # filled in by the loader itself
_OWN_RULE = ("modules", "lockdown", "cover", "mounted_view", "mount", "dm")
_OF_FILES = (Key("selinux", ("policy",)),)
_STRENGTH = ("none", "integrity", "confidentiality")
_ARGUMENTS = ("kernel_arg", "init_arg")  # every one is told by a node, so that one that is missing is known to be
_ASKED = (*_ARGUMENTS, "sysctl", "selinux", "setting")  # what a release states and every node is asked for
_SAYS_ALL = (*_ARGUMENTS, "setting", "selinux")  # what a node does not have of these is gone, and what it has is all
_NOT_MOUNTED = "the release has a unit for this mount, and the node has not mounted it"
_NO_OPINION = "no release states it: keep evidence of the node as baseline to see what changes"


def compare_running(sides: Sides) -> Iterator[Change]:
    """What the node runs otherwise than its release ships it; nothing when both sides are of one kind."""
    node_is_after = sides.after.target.kind is TargetKind.NODE
    if node_is_after == (sides.before.target.kind is TargetKind.NODE):
        return
    release, node = (sides.before, sides.after) if node_is_after else (sides.after, sides.before)
    told = [fact for fact in node.facts if fact.plane is Plane.RUNTIME and fact.scope == node.judged]
    told += _untold(release, node, {fact.key for fact in told})
    if _shows_no_config(release) and any(_is_unread_config(fact) for fact in told):
        told = [fact for fact in told if not _is_unread_config(fact)]
        where = (release.get(_SHOWS_CONFIG, Plane.STATIC).where, Locator(node.target.name, node.judged))
        change = not_comparable("kernel", f"{SUBJECT}:kconfig", Plane.RUNTIME.value, where, _NO_CONFIG)
        yield change if node_is_after else _turned(change)
    for fact in sorted(told, key=lambda fact: str(fact.key)):
        if fact.key.namespace not in DERIVED:
            for change in _compare(release, fact):
                yield change if node_is_after else _turned(change)
    for change in (*compare_mapped(release, node), *_without_opinion(release, node, told)):
        yield change if node_is_after else _turned(change)


def _without_opinion(release: Evidence, node: Evidence, told: list[Fact]) -> Iterator[Change]:
    """One word per kind of fact of which no release can say anything, so that silence is not taken for sameness."""
    stated = {fact.key.namespace for fact in told if release.get(fact.key, Plane.STATIC).state is not State.UNREAD}
    spoken = {*DERIVED, *_OWN_RULE, *stated}
    where = (Locator(release.target.name, release.judged), Locator(node.target.name, node.judged))
    for namespace, key in sorted({fact.key.namespace: fact.key for fact in told}.items()):
        if namespace not in spoken:
            subject = f"{SUBJECT}:{namespace}"
            yield not_comparable(area_of(key), subject, Plane.RUNTIME.value, where, _NO_OPINION)


def _shows_no_config(release: Evidence) -> bool:
    """Whether the release's own kernel is built without /proc/config.gz: nothing is hidden where there is none."""
    built = release.get(_SHOWS_CONFIG, Plane.STATIC)
    return built.state is State.ABSENT or (built.state is State.PRESENT and built.value != "y")


def _is_unread_config(fact: Fact) -> bool:
    return fact.key.namespace == "kconfig" and fact.state is State.UNREAD


def _untold(release: Evidence, node: Evidence, told: set[Key]) -> Iterator[Fact]:
    """What the release states, or every node must say, and this one does not: absent, or nobody looked."""
    stated = (fact for fact in release.facts if fact.plane is Plane.STATIC and fact.scope == release.judged)
    keys = {fact.key for fact in stated if fact.state is State.PRESENT and _is_asked(fact.key)}
    for key in (keys | {LOADED, LOCKDOWN}) - told:
        fact = node.get(key, Plane.RUNTIME)
        if fact.state is State.UNREAD or key.namespace in (*_ARGUMENTS, "setting", "mount") or key == LOCKDOWN:
            yield fact


def _is_asked(key: Key) -> bool:
    """Not a pattern over kernel parameters, and not where the release keeps its policy."""
    is_pattern = key.namespace == "sysctl" and any(char in key.subject[0] for char in "*?[")
    if key.namespace == "mount":
        return key.attribute == "options"  # once per mount
    return key.namespace in _ASKED and not is_pattern and key not in _OF_FILES


def _compare(release: Evidence, fact: Fact) -> Iterator[Change]:
    if fact.key.namespace in _OWN_RULE:
        rule = _RULES.get(fact.key.namespace)
        if rule is not None:
            yield from rule(release, fact)
        return
    if fact.key.subject[:1] == _BOOT_LOADER:
        return
    shipped = release.get(fact.key, Plane.STATIC)
    if shipped.state is State.UNREAD:
        return  # the release has no opinion
    if fact.state is State.UNREAD:
        yield _unread(fact, shipped)
        return
    if fact.key.namespace == "sysctl" and fact.state is State.ABSENT:
        places = (shipped.where, fact.where)
        why = "the kernel has no such parameter, perhaps until a module is loaded"
        yield not_comparable(area_of(fact.key), f"{SUBJECT}:{fact.key}", Plane.RUNTIME.value, places, why)
        return
    if (shipped.state is State.PRESENT or fact.key.namespace in _SAYS_ALL) and _plain(shipped) != _plain(fact):
        yield from _change(fact, shown(shipped), shown(fact), shipped.where)


def _plain(fact: Fact) -> JsonValue:
    """A value as both planes would write it: /proc/sys separates by tabs and counts in numbers."""
    value = shown(fact)
    return " ".join(str(value).split()) if isinstance(value, str | int) and not isinstance(value, bool) else value


def _change(fact: Fact, before: JsonValue, after: JsonValue, where: Locator) -> Iterator[Change]:
    places = (where, fact.where)
    yield from difference(area_of(fact.key), f"{SUBJECT}:{fact.key}", Plane.RUNTIME.value, before, after, places)


def _unread(fact: Fact, shipped: Fact) -> Change:
    places = (shipped.where, fact.where)
    area, subject = area_of(fact.key), f"{SUBJECT}:{fact.key}"
    return unreadable(area, subject, Plane.RUNTIME.value, shown(shipped), None, places, fact.reason)


def _modules(release: Evidence, fact: Fact) -> Iterator[Change]:
    """Every loaded module that the release does not bring."""
    if fact.key != LOADED:
        return
    known = [release.get(key, Plane.STATIC) for key in (LOADABLE, BUILT_IN)]
    gaps = [one for one in (fact, *known) if one.state is State.UNREAD]
    if gaps:
        subject, places = f"{SUBJECT}:{fact.key}", (known[0].where, fact.where)
        if fact.state is not State.UNREAD and gaps[0].reason == NOT_COLLECTED:  # the release has no opinion
            yield not_comparable("modules", subject, Plane.RUNTIME.value, places, gaps[0].reason)
        else:
            yield unreadable("modules", subject, Plane.RUNTIME.value, None, None, places, gaps[0].reason)
        return
    brought = {_module(name) for one in known for name in _texts(one.value)}
    for name in sorted({_module(name) for name in _texts(fact.value)} - brought):
        places = (known[0].where, fact.where)
        yield from difference("modules", f"{SUBJECT}:module:{name}", "loaded", None, True, places)


def _module(name: str) -> str:
    return name.replace("-", "_")


def _texts(value: JsonValue) -> Iterator[str]:
    for part in value if isinstance(value, tuple | list) else ():
        if isinstance(part, str):
            yield part


def _lockdown(release: Evidence, fact: Fact) -> Iterator[Change]:
    """A mode weaker than what the command line, the settings or the kernel's build ask for."""
    asked = {
        Key("kernel_arg", ("lockdown",)): None,
        Key("setting", ("kernel", "lockdown")): None,
        Key("kconfig", ("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY",)): "integrity",
        Key("kconfig", ("CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",)): "confidentiality",
    }
    best, place = "none", Locator(release.target.name, release.judged)
    for key, forced in asked.items():
        stated = release.get(key, Plane.STATIC)
        mode = str(stated.value) if forced is None else forced if stated.value == "y" else "none"
        if stated.state is State.PRESENT and mode in _STRENGTH and _STRENGTH.index(mode) > _STRENGTH.index(best):
            best, place = mode, stated.where
    if fact.state is State.UNREAD:
        yield unreadable("lockdown", f"{SUBJECT}:{fact.key}", "runtime", best, None, (place, fact.where), fact.reason)
        return
    running = str(fact.value) if fact.state is State.PRESENT else "none"
    weaker = running not in _STRENGTH or _STRENGTH.index(running) < _STRENGTH.index(best)
    if weaker:
        yield from difference("lockdown", f"{SUBJECT}:{fact.key}", "runtime", best, running, (place, fact.where))


def _overlays(release: Evidence, fact: Fact) -> Iterator[Change]:
    """What lies over the protected root: a mount that no release makes, or names in an overlay's upper folder."""
    where = (Locator(release.target.name, release.judged), fact.where)
    if isinstance(fact.value, int) or (isinstance(fact.value, str) and fact.value.startswith("expected")):
        return
    if fact.state is State.UNREAD:
        yield unreadable("mounts", f"{SUBJECT}:{fact.key}", "runtime", None, None, where, fact.reason)
    elif fact.state is State.PRESENT and fact.value:
        yield from difference("mounts", f"{SUBJECT}:{fact.key}", "runtime", None, fact.value, where)


def _mounts(release: Evidence, fact: Fact) -> Iterator[Change]:
    """A protecting option, or a kind of file system, that the release's mount unit asks for and the node lacks."""
    shipped = release.get(fact.key, Plane.STATIC)
    if fact.key.attribute not in ("options", "fstype") or shipped.state is not State.PRESENT:
        return
    if fact.state is State.UNREAD:
        yield _unread(fact, shipped)
        return
    if fact.state is State.ABSENT:  # as of a unit that nothing starts
        places = (shipped.where, fact.where)
        yield not_comparable("mounts", f"{SUBJECT}:{fact.key}", Plane.RUNTIME.value, places, _NOT_MOUNTED)
        return
    if fact.key.attribute == "fstype":
        if shipped.value != "auto":
            yield from _change(fact, shown(shipped), shown(fact), shipped.where)
        return
    asked, has = _options(shipped.value), _options(fact.value)
    if asked - has:
        yield from _change(fact, tuple(sorted(asked)), tuple(sorted(has)), shipped.where)


def _options(value: JsonValue) -> set[str]:
    words = value.split(",") if isinstance(value, str) else list(_texts(value))
    return {word.strip() for word in words} & set(_SAFE_OPTIONS)


def _turned(change: Change) -> Change:
    """The same change, with the node as the baseline."""
    places = (change.where_after, change.where_before)
    arguments = (change.area, change.subject, change.attribute, change.after, change.before, places)
    if change.why:
        return replace(unreadable(*arguments, change.why), decided_by=change.decided_by)
    return next(difference(*arguments))


_RULES: dict[str, Callable[[Evidence, Fact], Iterator[Change]]] = {
    "modules": _modules,
    "lockdown": _lockdown,
    "cover": _overlays,
    "mounted_view": _overlays,
    "mount": _mounts,
}
