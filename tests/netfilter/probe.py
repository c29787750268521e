"""Run inside a network namespace of its own: prints as JSON what the collector sees there, and what was answered.

`python -m tests.netfilter.probe collect|unprivileged|chains`
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rocketaudit.evidence import firewall
from rocketaudit.evidence.running import running_node
from rocketaudit.formats.netfilter import x_tables
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Fact, Key
from rocketaudit.source import netfilter
from rocketaudit.source.live import LiveSource
from tests.fake_node import FakeNode


def main(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = FakeNode(Path(folder)).make().open()
        source.places = replace(source.places, base=Path("/"), proc=Path("/proc"))
        node = running_node(source)
        assert node is not None
        if what == "chains":
            found = {table: firewall.chains_by_hook(node, table) for table in firewall._FAMILIES}
            print(json.dumps({"chains": found, "recorded": recorded()}, default=list))
        elif what == "collect":
            print(collected(source))
        elif os.fork() == 0:  # the folder is ours to remove
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            print(collected(source), flush=True)
            os._exit(0)
        else:
            os.wait()
        source.close()


def collected(source: LiveSource) -> str:
    keys = tuple(Key(table, (hook,), "chains") for table in firewall._FAMILIES for hook in firewall.HOOKS)
    facts = [one for one in firewall._collect(source, Wants(keys=keys)) if isinstance(one, Fact)]
    return json.dumps({str(one.key): [str(one.state), one.value, one.reason] for one in facts}, default=list)


def recorded() -> dict[str, object]:
    """The kernel's bytes: both older tables where they are, and every dump that was asked for."""
    tables = {}
    for ipv6, names in ((False, "ip_tables_names"), (True, "ip6_tables_names")):
        place = Path("/proc/net", names)
        if place.exists() and "filter" in place.read_text().split():
            info, data = netfilter.read_x_table(ipv6=ipv6)
            head = x_tables.INFO.pack(b"filter", info.hooks, *info.begins, *info.policies, info.entries, info.size)
            tables["ipv6" if ipv6 else "ipv4"] = [_text(head), _text(data)]
    kernel, dumps = netfilter.Netfilter(), []
    asked = kernel.dump

    def remember(kind: int, family: int = 0, **named: str) -> list[object]:
        found = asked(kind, family, **named)
        dumps.append([kind, family, named, [_text(one.body) for one in found]])
        return list(found)

    kernel.dump = remember  # type: ignore[assignment, method-assign]
    from rocketaudit.evidence.packet_filters import new_chains

    for family in (2, 10):
        new_chains(kernel, family)
    kernel.close()
    return {"x_tables": tables, "nf_tables": dumps}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main(sys.argv[1])
