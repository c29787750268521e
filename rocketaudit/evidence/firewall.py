"""Packet filters of a running node, read from the kernel: nothing is run, changed or loaded for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from rocketaudit.errors import RocketauditError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import wanted
from rocketaudit.evidence.kernel_config import running_options
from rocketaudit.evidence.packet_filters import HOOKS, new_chains, old_chains
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.evidence.sockets import POD_NETWORK
from rocketaudit.formats.netfilter.nft_values import IPV4, IPV6
from rocketaudit.formats.netfilter.rule_text import FilterChain
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Plane, State
from rocketaudit.source.netfilter import Netfilter
from rocketaudit.source.places import error_text, read_bytes
from rocketaudit.source.protocol import Source

OWN_NETWORK = "own network namespace: this process does not see the node's packet filters; it takes hostNetwork: true"
TAKES_POWER = "packet filters are read as root with CAP_NET_ADMIN; Bottlerocket's own answers are in own_check"
_FAMILIES = {"iptables": (IPV4, "ip_tables_names"), "ip6tables": (IPV6, "ip6_tables_names")}
_KALLSYMS = 64 << 20


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    where = node.locate(node.node.places.proc / "net")
    reason = _why_not(node)
    for table in _FAMILIES:
        keys = tuple(dict.fromkeys(wanted(wants, table)))
        if not keys:
            continue
        found, problem = ({}, reason) if reason else _ask(node, table)
        for key in keys:
            if problem or key.attribute != "chains" or key.subject[0] not in HOOKS:
                yield node.unread(key, where, problem or "no such fact of packet filters")
            else:
                yield node.present(key, found.get(key.subject[0], ()), where)


def _ask(node: Running, table: str) -> tuple[dict[str, JsonValue], str]:
    """What the kernel answers, or what went wrong."""
    try:
        return chains_by_hook(node, table), ""
    except (RocketauditError, OSError, ValueError) as error:
        is_refused = isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES)
        return {}, TAKES_POWER if is_refused else f"packet filters: {error_text(error)}"


def _why_not(node: Running) -> str:
    """Why the kernel is not asked, "" when it is."""
    standing, places = node.node.standing, node.node.places
    if not places.is_real:
        return "a folder that looks like a node has no packet filters of its own"
    if standing.host_network is False or _is_elsewhere(places.proc):
        return OWN_NETWORK
    return "" if standing.host_network else POD_NETWORK


def _is_elsewhere(proc: Path) -> bool:
    """Whether the first process that we see has another network than we do.

    Where the kernel does not name its namespace, the inode numbers of its files below net tell (proc_alloc_inum).
    """
    try:
        return os.readlink(proc / "self/ns/net") != os.readlink(proc / "1/ns/net")
    except OSError:
        pass
    try:
        return os.stat(proc / "self/net/tcp").st_ino != os.stat(proc / "1/net/tcp").st_ino
    except OSError:
        return False


def chains_by_hook(node: Running, table: str) -> dict[str, JsonValue]:
    """Every chain that packets meet at each hook, as the fact's value; errors as from the kernel."""
    family, names = _FAMILIES[table]
    found: list[FilterChain] = []
    listed = node.read(node.node.places.proc / "net" / names)
    if listed.state is State.UNREAD:
        raise RocketauditError(f"/proc/net/{names}: {listed.reason}; {TAKES_POWER}")
    if "filter" in listed.text.split():
        found += old_chains(ipv6=family == IPV6)
    if has_nf_tables(node):
        kernel = Netfilter()
        try:
            found += new_chains(kernel, family)
        finally:
            kernel.close()
    return {hook: tuple(_shown(one) for one in found if one.hook == hook) for hook in HOOKS}


def has_nf_tables(node: Running) -> bool:
    """Whether the kernel has nf_tables now: asking one that has not would make it load the module."""
    proc = node.node.places.proc
    modules = node.read(proc / "modules")
    if any(line.split(" ")[0] == "nf_tables" for line in modules.text.splitlines()):
        return True
    try:
        return running_options(proc).get("CONFIG_NF_TABLES", ("n", 0))[0] == "y"
    except (RocketauditError, OSError):
        return b" nf_tables_newtable" in read_bytes(proc / "kallsyms", _KALLSYMS)


def _shown(chain: FilterChain) -> dict[str, JsonValue]:
    return {
        "table": chain.table,
        "chain": chain.name,
        "priority": chain.priority,
        "policy": chain.policy,
        "rules": chain.rules,
    }


RUNTIME = Collector("firewall", Plane.RUNTIME, ("iptables:*", "ip6tables:*"), _collect)
