"""The packages that an image states of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import Facts, read_config, root_trees
from rocketaudit.formats.inventory import parse_inventory
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

PATH = "/usr/share/bottlerocket/application-inventory.json"
LIMIT = 16 << 20
COUNT = Key("inventory", ("packages",))
PROBLEMS = Key("inventory", ("problems",))


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        found = read_config(tree, PATH, LIMIT)
        if found.state is not State.PRESENT:
            yield facts.of_file(COUNT, found)
            continue
        try:
            inventory = parse_inventory(found.data)
        except FormatError as error:
            yield facts.unread(COUNT, found.where, str(error))
            continue
        yield facts.present(COUNT, sum(not package.synthetic for package in inventory.packages), found.where)
        yield facts.present(PROBLEMS, inventory.problems[:100], found.where)
        for package in inventory.packages:
            yield replace(package, scope=tree.scope, where=found.where)


STATIC = Collector("inventory", Plane.STATIC, ("inventory:*", "package:*"), _collect)
