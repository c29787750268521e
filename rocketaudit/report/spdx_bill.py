"""What both SPDX writers say of a report: identifiers, relationships, licences, and what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rocketaudit.errors import UsageError
from rocketaudit.formats.spdx_expression import is_expression
from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.report.cyclonedx import split_root
from rocketaudit.report.cyclonedx_completeness import compositions, name_of, unread_lines, why
from rocketaudit.report.document import digest_of, timestamp
from rocketaudit.report.escape import shorten, visible

MAX_PLACES = 100  # of one component; a crate may lie in every program
NO_TEXT = "The image names this licence and states no text under that name."
_KINDS = {
    "file": "File",
    "firmware": "File",
    "operating-system": "OperatingSystem",
}  # Trivy knows a system by that name
_LICENCE_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
# digests, and lists of which SPDX takes nothing for granted: none is written, so none is called whole
_SILENT = frozenset({
    "sha-512-not-collected", "dependencies-of-contents", "named-by-licence-texts", "dependencies-of-other-files",
})  # fmt: skip
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Licence:
    """An SPDX expression; `custom` maps each LicenseRef in it to its text."""

    expression: str
    custom: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bill:
    """A report as SPDX sees it: elements, what contains what, what needs what, and how complete each list is.

    `contains` and `depends` map a ref to refs that exist. `known_contents` and `known_needs` map a ref to
    complete, incomplete or unknown. `remarks` are sentences about the whole document.
    """

    root: Component
    parts: tuple[Component, ...]
    contains: Mapping[str, tuple[str, ...]]
    depends: Mapping[str, tuple[str, ...]]
    known_contents: Mapping[str, str]
    known_needs: Mapping[str, str]
    remarks: tuple[str, ...]
    created: datetime
    namespace: str


def bill_of(report: Report, version: str) -> Bill:
    """The report's bill; `version` is the specification's and goes into the name space."""
    root, others = split_root(report)
    statements = list(compositions(report, root, others))
    digest = digest_of(report)
    name = f"{report.tool.name}\n{report.tool.version}\nspdx-{version}\n{digest}\n{report.created}"
    when = _moment(report.created) or _moment(report.evidence.when)
    remarks = [f"{name_of(one)}: {one['aggregate']}. {why(one)}." for one in statements]
    remarks += [f"Could not be read: {line}" for line in unread_lines(report)]
    remarks.append(f"Evidence {digest}, assurance {report.assurance.value}, integrity {report.integrity.verdict.value}")
    if when is None:
        remarks.append("Nobody stated when this was made; the time given means nothing.")
    return Bill(
        root=root,
        parts=(root, *others),
        contains=_contents(root, others),
        depends=_needs(root, others),
        known_contents=_known(statements, "assemblies") | _of_system(statements, root),
        known_needs={ref: how for ref, how in _known(statements, "dependencies").items() if ref != root.ref},
        remarks=tuple(remarks),
        created=when or _UNKNOWN_TIME,
        namespace=f"https://spdx.org/spdxdocs/{report.tool.name}-{uuid5(NAMESPACE_URL, name)}",
    )


def element_id(component: Component) -> str:
    """An identifier out of letters, digits and "-": the kind and 128 bits of a digest of the component's ref."""
    digest = sha256(component.ref.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{_KINDS.get(component.kind, 'Package')}-{digest}"


def found_text(component: Component) -> str:
    """How a component was found, how sure that is, and where it lies."""
    how = f"found by {component.found_by}, confidence {component.confidence:g}" if component.found_by else ""
    places = [f"{one.partition}:{one.path}" if one.partition else one.path for one in component.where if one.path]
    more = f" and {len(places) - MAX_PLACES} more places" if len(places) > MAX_PLACES else ""
    where_text = f"in {', '.join(places[:MAX_PLACES])}{more}" if places else ""
    return "; ".join(part for part in (how, where_text) if part)


def actor_name(name: str) -> str:
    """A name in one line; in SPDX 2 parentheses would begin an e-mail address."""
    return shorten(visible(name), 1024).replace("(", "[").replace(")", "]").strip() or "unnamed"


def licence_of(component: Component) -> Licence | None:
    """What the image states as licence; a text that is no SPDX expression becomes a LicenseRef with that text."""
    stated = [_one(text) for text in sorted({text.strip() for text in component.licences if text.strip()})]
    if not stated:
        return None
    custom = {name: text for one in stated for name, text in one.custom.items()}
    if len(stated) == 1:
        return stated[0]
    return Licence(" AND ".join(f"({one.expression})" for one in stated), custom)


def distribution_licence_of(component: Component) -> Licence | None:
    """Under what a component is handed on, as the policy states it."""
    return _one(component.distribution_licence) if component.distribution_licence else None


def own_licence(text: str) -> Licence:
    """A text as a licence of its own, named by its digest."""
    name = f"LicenseRef-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return Licence(name, {name: text})


def _one(text: str) -> Licence:
    if not is_expression(text) or "DocumentRef-" in text:  # a reference into a document that nobody has
        return own_licence(text)
    return Licence(text, dict.fromkeys(_LICENCE_REFERENCE.findall(text), NO_TEXT))


def needs_library(name: str, error: ImportError) -> UsageError:
    """What to say when the optional library of a format is not installed."""
    return UsageError(
        f"SPDX needs the Python package {name}: {error}",
        hint="pip install 'rocketaudit[spdx]'; in a checkout: python3 run.py setup",
    )


def _moment(text: str) -> datetime | None:
    """A stated time in UTC; None for none, and for one that no document of today can mean."""
    if not timestamp(text):
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
    return moment if moment.year >= _UNKNOWN_TIME.year else None


def _contents(root: Component, others: Sequence[Component]) -> dict[str, tuple[str, ...]]:
    """Ref -> refs of what stands in it; what nothing holds and nothing needs stands in the system."""
    refs = {component.ref for component in (root, *others)}
    needed = {ref for component in (root, *others) for ref in component.depends_on if ref != component.ref}
    found: dict[str, list[str]] = {}
    for component in others:
        parent = component.parent if component.parent in refs and component.parent != component.ref else ""
        if not parent and component.ref not in needed:
            parent = root.ref
        if parent:
            found.setdefault(parent, []).append(component.ref)
    return {ref: tuple(sorted(inner)) for ref, inner in found.items()}


def _needs(root: Component, others: Sequence[Component]) -> dict[str, tuple[str, ...]]:
    refs = {component.ref for component in (root, *others)}
    found = {}
    for component in (root, *others):
        needed = tuple(sorted({ref for ref in component.depends_on if ref in refs and ref != component.ref}))
        if needed:
            found[component.ref] = needed
    return found


def _of_system(statements: Iterable[Mapping[str, Any]], root: Component) -> dict[str, str]:
    """SPDX has one list for the files and the packages in the system: it is as whole as the less whole of both."""
    said = {name_of(one): str(one["aggregate"]) for one in statements}
    both = {said["files-of-the-root"], said.get("packages-of-the-root", "complete")}
    return {root.ref: next(how for how in ("incomplete", "unknown", "complete") if how in both)}


def _known(statements: Iterable[Mapping[str, Any]], member: str) -> dict[str, str]:
    return dict(_aggregates(statements, member))


def _aggregates(statements: Iterable[Mapping[str, Any]], member: str) -> Iterator[tuple[str, str]]:
    for one in statements:
        if name_of(one) not in _SILENT:
            for ref in one.get(member, ()):
                yield ref, str(one["aggregate"])
