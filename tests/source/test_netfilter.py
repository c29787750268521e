"""Packet filters as the running kernel has them: made with the real tools, compared with what those print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from rocketaudit.analysis.benchmark.judge import judge_rule
from rocketaudit.cli.rule_examples import evidence_of
from rocketaudit.model.verdict import Verdict
from tests.netfilter.scenarios import DENY, ESTABLISHED, EVERYDAY, LOOPBACK, SCENARIOS, Scenario
from tests.rules import all_rules
from tests.support import REPO, needs_tools

PROBE = f"{sys.executable} -m tests.netfilter.probe"


def inside(script: str, *options: str) -> str:
    """What a script prints in a network of its own; the test skips where the kernel makes none."""
    needs_tools("unshare", "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy", "nft")
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    words = ["unshare", *user, "--net", *options, "bash", "-ec"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    path = "PATH=$PATH:/usr/sbin:/sbin"
    done = subprocess.run(
        [*words, f"{path}\n{script}"], cwd=REPO, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(script: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    return json.loads(inside(f"{script}\n{PROBE} chains"))["chains"]


def verdicts(chains: dict[str, dict[str, list[dict[str, Any]]]], table: str) -> tuple[Verdict, ...]:
    running = {f"{table}:{hook}#chains": value for hook, value in chains[table].items()}
    family = "ipv4" if table == "iptables" else "ipv6"
    rules = (all_rules()[f"{family}-{name}"] for name in (DENY, LOOPBACK, ESTABLISHED))
    evidence = evidence_of({"running": running}, ())
    return tuple(judge_rule(rule, evidence).verdict for rule in rules)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_real_rules_are_judged_by_what_they_let_through(scenario: Scenario) -> None:
    chains = seen(scenario.script)
    assert verdicts(chains, "iptables") == scenario.ipv4
    assert verdicts(chains, "ip6tables") == scenario.ipv6


@pytest.mark.parametrize("command", ["iptables-nft", "iptables-legacy"])
def test_everyday_rules_read_as_iptables_prints_them(command: str) -> None:
    script = EVERYDAY.replace("COMMAND", command)
    printed, _, found = inside(f"{script}\n{command} -S; echo =====; {PROBE} chains").partition("=====\n")
    chains = json.loads(found)["chains"]["iptables"]
    lines = [line.partition(" --reject-with")[0] for line in printed.splitlines() if not line.startswith(("-P", "-N"))]
    ours = dict.fromkeys(line for hook in chains.values() for chain in hook for line in chain["rules"])
    assert sorted(ours) == sorted(lines)
    assert [line for line in ours if line.startswith("-A INPUT")] == [
        one for one in lines if one.startswith("-A INPUT")
    ]
    policies = {f"-P {chain['chain']} {chain['policy']}" for hook in chains.values() for chain in hook}
    assert policies <= set(printed.splitlines())
    if command == "iptables-legacy":
        assert len(policies) == 3


def test_ipv6_addresses_read_as_ip6tables_prints_them() -> None:
    rules = ["-s ::1/128 -j DROP", "-s 2001:db8::/33 ! -i lo -p tcp -j ACCEPT", "! -d fe80::/10 -p 58 -j REJECT"]
    for command in ("ip6tables-nft", "ip6tables-legacy"):
        script = "\n".join(f"{command} -A INPUT {rule}" for rule in rules)
        printed, _, found = inside(f"{script}\n{command} -S INPUT; echo =====; {PROBE} chains").partition("=====\n")
        (chain,) = json.loads(found)["chains"]["ip6tables"]["INPUT"]
        wanted = [line.partition(" --reject-with")[0] for line in printed.splitlines()[1:]]
        assert chain["rules"] == wanted


def test_native_chains_are_those_that_nft_lists() -> None:
    script = next(one.script for one in SCENARIOS if one.name == "native nft")
    script += "\nnft add table ip other; nft 'add chain ip other late { type filter hook input priority 7; }'"
    listed, _, found = inside(f"{script}\nnft -j list chains; echo =====; {PROBE} chains").partition("=====\n")
    wanted = {
        (f"{one['family']} {one['table']} (nf_tables)", one["name"], one["hook"].upper(), one["prio"], one["policy"])
        for item in json.loads(listed)["nftables"]
        if (one := item.get("chain")) is not None
    }
    chains = json.loads(found)["chains"]["iptables"]
    ours = {
        (one["table"], one["chain"], hook, one["priority"], one["policy"].lower())
        for hook, each in chains.items()
        for one in each
    }
    assert ours == wanted


def test_looking_makes_no_table() -> None:
    names = inside(f"{PROBE} chains >/dev/null; cat /proc/net/ip_tables_names; nft list tables")
    assert names == ""


def test_own_network_namespace_says_nothing_about_the_node() -> None:
    found = json.loads(inside(f"iptables-nft -P INPUT DROP; {PROBE} collect"))
    assert {(state, reason.partition(":")[0]) for state, _, reason in found.values()} == {
        ("unread", "own network namespace")
    }


def test_first_process_of_the_same_network_is_enough() -> None:
    options = ("--pid", "--fork", "--mount-proc")
    found = json.loads(inside(f"iptables-nft -P INPUT DROP; {PROBE} collect", *options))
    state, value, _ = found["iptables:INPUT#chains"]
    assert (state, value[0]["policy"]) == ("present", "DROP")
    assert found["ip6tables:FORWARD#chains"][:2] == ["present", []]


def test_without_the_privilege_it_is_named() -> None:
    options = ("--pid", "--fork", "--mount-proc")
    found = json.loads(inside(f"iptables-nft -P INPUT DROP; {PROBE} unprivileged", *options))
    assert {state for state, _, _ in found.values()} == {"unread"}
    assert all("CAP_NET_ADMIN" in reason for _, _, reason in found.values())
