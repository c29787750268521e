"""Kernel lockdown, the security modules that run, and FIPS mode, as the running kernel shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rocketaudit.evidence.collector import Collector
from rocketaudit.evidence.collector import Seen as Found
from rocketaudit.evidence.running import Seen, running_node
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

MODE = Key("lockdown", ("mode",))
MODULES = Key("security_modules", ("running",))
HIDDEN = "securityfs cannot be seen from here; it takes the host's /sys (a host root mount)"


def _collect(source: Source, wants: Wants) -> Iterator[Found]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    places = node.node.places
    modules = node.read(*places.below_sys("kernel/security/lsm"), missing=HIDDEN)
    yield node.of(MODULES, modules, tuple(modules.text.split(",")))
    # where securityfs is mounted, a missing file means a kernel without lockdown
    missing = "" if modules.state is State.PRESENT else HIDDEN
    lockdown = node.read(*places.below_sys("kernel/security/lockdown"), missing=missing)
    chosen = re.search(r"\[(\w+)\]", lockdown.text)
    if lockdown.state is State.PRESENT and chosen is None:
        lockdown = Seen(State.UNREAD, lockdown.where, reason=f"no mode is marked in {lockdown.text[:80]!r}")
    yield node.of(MODE, lockdown, chosen[1] if chosen else "")
    for name in ("enabled", "name"):
        seen = node.read(places.proc / f"sys/crypto/fips_{name}")
        yield node.of(Key("fips", (name,)), seen, seen.text)


RUNTIME = Collector(
    "lockdown", Plane.RUNTIME, ("lockdown:mode", "security_modules:running", "fips:enabled", "fips:name"), _collect
)
