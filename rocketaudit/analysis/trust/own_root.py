"""The root.json inside a bank, which decides whose updates it takes, against the root that the user gave."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime

from rocketaudit.analysis.trust.tuf_chain import TufChain
from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.tuf import MAX_ROOTS, TrustedSet
from rocketaudit.formats.tuf_metadata import Root
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.trust import Anchor
from rocketaudit.model.update import AnswerState, UpdateAnswer

OWN_ROOT = "root.json"
_VERSION = Key("update_root", ("root",), "version")


def own_root_answer(
    evidence: Evidence,
    scope: str,
    chain: TufChain,
    anchor: Anchor,
    metadata: Mapping[str, bytes],
    as_of: datetime,
) -> UpdateAnswer:
    """Whether the bank trusts the same repository as the user: the same root, or one that rotation connects with it."""
    raw = next((blob.data for blob in evidence.blobs if (blob.scope, blob.name) == (scope, OWN_ROOT)), None)
    if raw is not None:
        state, text = _judge(base64.b64decode(raw), chain, anchor, metadata, as_of)
    else:
        fact = evidence.get(_VERSION, Plane.STATIC, scope)
        state, text = AnswerState.UNKNOWN, fact.reason or "root.json was not collected"
        if fact.state is State.ABSENT:
            state, text = AnswerState.ATTENTION, "the bank has no root.json: it takes no update"
    question = "the bank takes updates from the repository of your root"
    return UpdateAnswer("update-root", scope, question, state, text, "/usr/share/updog/root.json")


def _judge(
    raw: bytes, chain: TufChain, anchor: Anchor, metadata: Mapping[str, bytes], as_of: datetime
) -> tuple[AnswerState, str]:
    try:
        own = TrustedSet(raw, as_of)
    except (TrustError, FormatError) as error:
        return AnswerState.ATTENTION, f"its root.json does not hold: {error.message}"
    if chain.trusted is None:
        return AnswerState.UNKNOWN, "the root that was given does not hold"
    version, known = own.root.version, chain.trusted.roots
    apart = _differences(own.root, chain.trusted.root)
    first, last = min(known), max(known)
    if version in known:
        if own.roots[version] == known[version]:
            return AnswerState.FINE, f"root {version}, one of yours{apart}"
        return AnswerState.ATTENTION, f"its root {version} is another one than yours{apart}"
    if version < first:
        return _older(own, metadata, known, first, apart)
    if version > last + 1:
        return AnswerState.UNKNOWN, f"root {version}, the metadata that were given end at root {last}{apart}"
    try:
        again = TrustedSet(anchor.data, as_of)
        for number in range(again.root.version + 1, last + 1):
            again.update_root(metadata[f"{number}.root.json"])
        again.update_root(raw)
    except (TrustError, FormatError, KeyError) as error:
        return AnswerState.ATTENTION, f"its root {version} does not follow from yours: {error}{apart}"
    return AnswerState.FINE, f"root {version}, which follows from yours{apart}"


def _older(
    own: TrustedSet, metadata: Mapping[str, bytes], known: Mapping[int, bytes], first: int, apart: str
) -> tuple[AnswerState, str]:
    """From the bank's root forwards, by the metadata given, to the first that the user trusts."""
    version = own.root.version
    for number in range(version + 1, min(first, version + MAX_ROOTS) + 1):
        raw = metadata.get(f"{number}.root.json")
        if raw is None:
            return (
                AnswerState.UNKNOWN,
                f"root {version}, and {number}.root.json on the way to yours was not given{apart}",
            )
        try:
            own.update_root(raw)
        except (TrustError, FormatError) as error:
            return AnswerState.ATTENTION, f"yours does not follow from its root {version}: {error}{apart}"
    if own.roots.get(first) != known[first]:
        return AnswerState.ATTENTION, f"its root {version} leads to another root {first} than yours{apart}"
    return AnswerState.FINE, f"root {version}, from which yours follows{apart}"


def _differences(own: Root, yours: Root) -> str:
    """How thresholds and keys differ from the newest root of the user's chain, as the end of a sentence."""
    found: list[str] = []
    for name, role in yours.roles.items():
        mine = own.roles[name]
        if mine.threshold != role.threshold:
            found.append(f"{name} threshold {mine.threshold}, yours {role.threshold}")
        ours, theirs = ({key.material for key in one.keys.values()} for one in (mine, role))
        if ours != theirs:
            found.append(f"{name} keys: {len(ours - theirs)} not among yours, {len(theirs - ours)} of yours missing")
    return f"; {'; '.join(found)}" if found else f"; the same keys, root threshold {own.roles['root'].threshold}"
