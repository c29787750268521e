"""What an image says it is: os-release and Bottlerocket's own feature files."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import Facts, at, first_config, root_trees
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

_FILES = (
    ("os_release", ("/etc/os-release", "/usr/lib/os-release")),
    ("image_feature", ("/usr/share/bottlerocket/image-features.env",)),
    ("image_format", ("/usr/share/bottlerocket/image-format.env",)),
)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        for namespace, places in _FILES:
            found = first_config(tree, *places)
            if found.state is State.ABSENT:
                yield facts.covers(f"{namespace}:*")
                continue
            try:
                values = parse_key_values(found.data)
            except FormatError as error:
                yield facts.unread(Key(namespace, ("ID",)), found.where, str(error))
                continue
            if found.state is State.UNREAD:
                yield facts.unread(Key(namespace, ("ID",)), found.where, found.reason)
                continue
            yield facts.covers(f"{namespace}:*")
            for name, (value, offset) in values.items():
                yield facts.present(Key(namespace, (name,)), value, at(found.where, offset))


STATIC = Collector("os_release", Plane.STATIC, tuple(f"{name}:*" for name, _ in _FILES), _collect)
