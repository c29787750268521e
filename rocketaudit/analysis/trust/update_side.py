"""The update side of a bank: whether its release is still offered, what is newer, and whether updates would work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from rocketaudit.analysis.trust.node_place import NodePlace, node_place, place_text
from rocketaudit.analysis.trust.own_root import own_root_answer
from rocketaudit.analysis.trust.tuf_chain import TufChain
from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.release_version import release_numbers
from rocketaudit.formats.tuf import TrustedSet
from rocketaudit.formats.tuf_metadata import check_content
from rocketaudit.formats.update_manifest import Update, UpdateManifest, Version, parse_update_manifest, text_of
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import Anchor, first_failure
from rocketaudit.model.update import AnswerState, UpdateAnswer

MANIFEST = "manifest.json"
MAX_NAMED = 5
_QUESTIONS = {
    "release-offered": "this release is still offered",
    "update-newer": "no newer release is offered",
    "update-waves": "where nodes of this release go, and when",
    "update-migrations": "settings migrate on the way there",
    "update-images": "the images on the way there are signed",
}
# a new root takes a ceremony, the other roles are signed again by the day or the week
_MARGINS = {"root": timedelta(days=60)}
_MARGIN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class _Bank:
    """What a bank says of itself; `problem` is why that cannot be told."""

    scope: str
    variant: str
    arch: str
    version: Version
    problem: str = ""


def update_answers(
    evidence: Evidence,
    chain: TufChain,
    anchor: Anchor,
    metadata: Mapping[str, bytes],
    manifests: Mapping[str, bytes],
    as_of: datetime,
) -> tuple[UpdateAnswer, ...]:
    """Answers for every populated bank, then for the repository; unknown where verified metadata do not say.

    `manifests` are the files by name that may be the target manifest.json.
    """
    disk = evidence.disk
    scopes = [bank.scope for bank in disk.banks if bank.populated] if disk is not None else []
    manifest, where, problem = _manifest(chain, manifests)
    found: list[UpdateAnswer] = []
    for scope in scopes or [evidence.judged]:
        bank = _bank(evidence, scope)
        if manifest is None or bank.problem or chain.trusted is None:
            why = problem or bank.problem
            found += [_answer(one, scope, AnswerState.UNKNOWN, why, where) for one in _QUESTIONS]
        else:
            node = node_place(evidence) if scope == evidence.judged else None
            found += _release_answers(chain.trusted, manifest, bank, where, as_of, node)
        found.append(own_root_answer(evidence, scope, chain, anchor, metadata, as_of))
    return (*found, _expiry(chain, as_of))


def _answer(identity: str, scope: str, state: AnswerState, answer: str, where: str = "") -> UpdateAnswer:
    return UpdateAnswer(identity, scope, _QUESTIONS[identity], state, answer, where)


def _manifest(chain: TufChain, given: Mapping[str, bytes]) -> tuple[UpdateManifest | None, str, str]:
    """(the signed manifest, name of its file, why there is none)."""
    if chain.trusted is None or not chain.is_complete:
        failure = first_failure(chain.links)
        return None, "", "no trusted targets" if failure is None else f"{failure.name}: {failure.why}"
    try:
        signed = chain.trusted.find_target(MANIFEST)
    except TrustError as error:
        return None, "", error.message
    if signed is None:
        return None, "", f"the targets do not sign a {MANIFEST}"
    if not given:
        return None, "", f"{MANIFEST} was not given with the metadata"
    reasons: list[str] = []
    for name, raw in sorted(given.items()):
        try:
            check_content(raw, signed[1].length, signed[1].hashes, name)
            return parse_update_manifest(raw), name, ""
        except (TrustError, FormatError) as error:
            reasons.append(error.message)
    return None, "", f"the {MANIFEST} that was given cannot be used: {reasons[0]}"


def _bank(evidence: Evidence, scope: str) -> _Bank:
    told = {"VERSION_ID": "", "VARIANT_ID": ""}
    for name in told:
        fact = evidence.get(Key("os_release", (name,)), Plane.STATIC, scope)
        told[name] = str(fact.value) if fact.state is State.PRESENT else ""
    target = evidence.target
    if scope == evidence.judged:
        told = {
            "VERSION_ID": told["VERSION_ID"] or target.version,
            "VARIANT_ID": told["VARIANT_ID"] or target.variant,
        }
    version = release_numbers(told["VERSION_ID"])
    lacks = [
        word
        for word, value in (("version", version), ("variant", told["VARIANT_ID"]), ("architecture", target.arch))
        if not value
    ]
    problem = f"the bank does not state its {' and '.join(lacks)}" if lacks else ""
    return _Bank(scope, told["VARIANT_ID"], target.arch, version or (0, 0, 0), problem)


def _release_answers(
    trusted: TrustedSet, manifest: UpdateManifest, bank: _Bank, where: str, as_of: datetime, node: NodePlace | None
) -> Iterator[UpdateAnswer]:
    listed = manifest.listed(bank.variant, bank.arch)
    yield _answer("release-offered", bank.scope, *_offered(listed, bank), where)
    newer = [one for one in listed if not one.is_withdrawn and one.version > bank.version]
    if newer:
        names = ", ".join(dict.fromkeys(text_of(one.version) for one in newer[:MAX_NAMED]))
        more = f" and {len(newer) - MAX_NAMED} more" if len(newer) > MAX_NAMED else ""
        yield _answer("update-newer", bank.scope, AnswerState.ATTENTION, f"newer: {names}{more}", where)
    else:
        text = f"{text_of(bank.version)} is the newest" if listed else "nothing is listed"
        yield _answer("update-newer", bank.scope, AnswerState.FINE, text, where)
    target = manifest.next_for(bank.variant, bank.arch, bank.version)
    if target is None:
        text = "nodes of this release stay with it"
        for identity in ("update-waves", "update-migrations"):
            yield _answer(identity, bank.scope, AnswerState.FINE, text, where)
        target = next((one for one in listed if one.version == bank.version), None)
    else:
        state, text = _waves(target, as_of)
        yield _answer("update-waves", bank.scope, state, text + place_text(node, target, as_of), where)
        yield _answer("update-migrations", bank.scope, *_migrations(trusted, manifest, bank, target), where)
    if target is None:
        text = "no image of this release is listed"
        yield _answer("update-images", bank.scope, AnswerState.ATTENTION, text, where)
    else:
        wanted = tuple(dict.fromkeys(target.images.values()))
        yield _answer("update-images", bank.scope, *_signed(trusted, wanted, f"{text_of(target.version)}: "), where)


def _offered(listed: tuple[Update, ...], bank: _Bank) -> tuple[AnswerState, str]:
    of = f"{bank.variant} {bank.arch}"
    same = [one for one in listed if one.version == bank.version]
    if not listed:
        return AnswerState.ATTENTION, f"nothing is offered for {of}"
    if not same:
        return AnswerState.ATTENTION, f"{text_of(bank.version)} is not listed for {of}"
    if all(one.is_withdrawn for one in same):
        highest = text_of(max(one.max_version for one in same))
        return AnswerState.ATTENTION, f"{text_of(bank.version)} for {of} is withdrawn: {highest} is the highest allowed"
    return AnswerState.FINE, f"{text_of(bank.version)} for {of}"


def _waves(update: Update, as_of: datetime) -> tuple[AnswerState, str]:
    to = text_of(update.version)
    starts = [wave.start for wave in update.waves]
    if not starts:
        return AnswerState.FINE, f"to {to}, all nodes at once"
    if starts != sorted(starts):
        return AnswerState.ATTENTION, f"to {to}, but a later wave starts before an earlier one"
    begun = sum(start <= as_of for start in starts)
    first, last = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (starts[0], starts[-1]))
    if not begun:
        return AnswerState.FINE, f"to {to}, not before {first}"
    if begun == len(starts):
        return AnswerState.FINE, f"to {to}, all nodes since {last}"
    return AnswerState.FINE, f"to {to}, {begun} of {len(starts)} waves have begun since {first}, the last at {last}"


def _migrations(trusted: TrustedSet, manifest: UpdateManifest, bank: _Bank, update: Update) -> tuple[AnswerState, str]:
    names = manifest.migrations_between(bank.version, update.version)
    way = f"from {text_of(bank.version)} to {text_of(update.version)}"
    if names is None:
        return AnswerState.ATTENTION, f"no path of migrations {way}: a node refuses this update"
    if not names:
        return AnswerState.FINE, f"{way} without a migration"
    return _signed(trusted, names, f"{way} by {len(names)}: ")


def _signed(trusted: TrustedSet, names: tuple[str, ...], what: str) -> tuple[AnswerState, str]:
    """Whether the targets sign every file of these names."""
    try:
        missing = [name for name in names if trusted.find_target(name) is None]
    except TrustError as error:
        return AnswerState.UNKNOWN, what + error.message
    if missing:
        return AnswerState.ATTENTION, f"{what}not signed: {_named(missing)}"
    return AnswerState.FINE, what + _named(names)


def _named(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(name[:120] for name in names[:MAX_NAMED]) + more


def _expiry(chain: TufChain, as_of: datetime) -> UpdateAnswer:
    """When each role expires, the earliest first."""
    question = "the repository's metadata stay valid"
    trusted = chain.trusted
    if trusted is None or not chain.is_complete or trusted.timestamp is None or trusted.snapshot is None:
        failure = first_failure(chain.links)
        why = "no trusted targets" if failure is None else f"{failure.name}: {failure.why}"
        return UpdateAnswer("metadata-expiry", "", question, AnswerState.UNKNOWN, why)
    ends = {"root": trusted.root.expires, "timestamp": trusted.timestamp.expires, "snapshot": trusted.snapshot.expires}
    ends |= {name[:80]: body.expires for name, body in trusted.targets.items()}
    soon = [name for name, end in ends.items() if end - as_of < _MARGINS.get(name, _MARGIN)]
    listed = sorted(ends.items(), key=lambda item: (item[1], item[0]))
    text = ", ".join(f"{name} until {end.strftime('%Y-%m-%dT%H:%M:%SZ')}" for name, end in listed[:MAX_NAMED])
    if soon:
        return UpdateAnswer("metadata-expiry", "", question, AnswerState.ATTENTION, f"{_named(soon)} soon: {text}")
    return UpdateAnswer("metadata-expiry", "", question, AnswerState.FINE, text)
