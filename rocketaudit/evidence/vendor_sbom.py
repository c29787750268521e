"""What the vendor's own bills of materials inside the image list, kept for comparison."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import ConfigFile, Facts, read_config, root_trees
from rocketaudit.formats.vendor_sbom import MAX_SIZE, VendorSbom, parse_vendor_sbom
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

FOLDER = "/usr/share/bottlerocket"
NAMES = ("cyclonedx-sbom.json", "spdx-sbom.json")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        complete = True
        for name in NAMES:
            found = _find(tree, name)
            if found.state is State.ABSENT:
                continue
            key = Key("vendor_sbom", (name,), "format")
            try:
                if found.state is State.UNREAD:
                    raise FormatError(found.reason)
                document = parse_vendor_sbom(found.data)
            except FormatError as error:
                complete = False
                yield facts.unread(key, found.where, str(error))
                continue
            place = found.where
            where = Locator(
                place.source, place.partition, place.path, digest=f"sha256:{sha256(found.data).hexdigest()}"
            )
            yield facts.present(key, f"{document.format} {document.version}", where)
            yield facts.present(Key("vendor_sbom", (name,), "subject"), _subject(document), where)
            listed = tuple(sorted({(c.name, c.version, c.purl) for c in document.components}))
            yield facts.present(Key("vendor_sbom", (name,), "components"), listed, where)
        if complete:
            yield facts.covers("vendor_sbom:*")


def _find(tree: Tree, name: str) -> ConfigFile:
    plain = read_config(tree, f"{FOLDER}/{name}", MAX_SIZE)
    return plain if plain.state is not State.ABSENT else read_config(tree, f"{FOLDER}/{name}.lz4", MAX_SIZE)


def _subject(document: VendorSbom) -> tuple[str, str]:
    return document.subject, document.subject_version


STATIC = Collector("vendor_sbom", Plane.STATIC, ("vendor_sbom:*",), _collect)
