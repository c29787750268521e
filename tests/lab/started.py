"""What Bottlerocket's own services make of a release when it starts, for a lab that has none of them."""

from __future__ import annotations

import json
from typing import Any

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Plane, State


def at_start(release: Evidence) -> dict[str, str]:
    """What Bottlerocket's own services make of a release when it starts: settings, parameters, generated files."""
    settings: dict[str, Any] = {}
    for fact in release.find("setting", Plane.STATIC):
        nested(settings, fact.key.subject, fact.value)
    parameters = [f for f in release.find("sysctl", Plane.STATIC) if f.state is State.PRESENT]
    made: dict[str, dict[str, Any]] = {}
    for fact in release.find("config", Plane.STATIC):
        if fact.state is State.PRESENT and fact.key.subject[1:] != ("",):
            nested(made.setdefault(fact.key.subject[0], {}), fact.key.subject[1:], fact.value)
    chrony = made["/etc/chrony.conf"].items()
    return {
        "settings.json": json.dumps(settings),
        "sysctl.conf": "".join(f"{f.key.subject[0]} = {f.value}\n" for f in parameters if "*" not in f.key.subject[0]),
        "kubelet": json.dumps(made["/etc/kubernetes/kubelet/config"]),
        "containerd": toml(made["/etc/containerd/config.toml"], ()),
        "chrony": "".join(f"{name} {value}\n" for name, values in chrony for value in values),
    }


def nested(into: dict[str, Any], names: tuple[str, ...], value: object) -> None:
    for name in names[:-1]:
        into = into.setdefault(name, {})
    into[names[-1]] = value


def toml(table: dict[str, Any], path: tuple[str, ...]) -> str:
    """A table of scalars and tables as TOML writes it."""
    own = "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items() if not isinstance(value, dict))
    head = f"[{'.'.join(json.dumps(name) for name in path)}]\n" if path and own else ""
    return head + own + "".join(toml(part, (*path, name)) for name, part in table.items() if isinstance(part, dict))
