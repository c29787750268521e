"""Reports built by hand: an ordinary one, a broken one, and one full of hostile names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence, Gap
from rocketaudit.model.fact import Assurance, Fact, Key, Locator, Plane, State
from rocketaudit.model.integrity import (
    BadBlockReport,
    BankVerdict,
    Integrity,
    IntegrityVerdict,
    Place,
)
from rocketaudit.model.report import Census, CensusRow, Finding, PolicyResult, Report
from rocketaudit.model.rule import Benchmark, BenchmarkResult, Result, Rule, Score, Waiver
from rocketaudit.model.target import Target, TargetKind, Tool
from rocketaudit.model.trust import ChainLink, LinkState
from rocketaudit.model.update import AnswerState, UpdateAnswer
from rocketaudit.model.verdict import Outcome, Severity, Verdict

TARGET = Target(
    "bottlerocket-aws-k8s-1.33-x86_64-1.57.0-8ecf9d4d.img", TargetKind.IMAGE, "raw", 2 << 30, "sha256:" + "5a" * 32,
    "bottlerocket", "Bottlerocket OS", "aws-k8s-1.33", "1.57.0", "8ecf9d4d", "x86_64", "grub-two-banks",
    None, "6.12.37",
)  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "\"' onmouseover=alert(4) x='",
    "{{ 7*7 }}{% raw %}",
    "[bold red]markup[/bold red] [link=http://x]y[/link]",
    "\x1b[2J\x1b]0;title\x07\x9b31m\x00",
    "\u202etxt.exe\u2066\u200b\ufeff",
    '=HYPERLINK("http://x","y")',
    "-1+1|cmd",
    "| pipe | @octocat #1 ![x](http://x) `code` <!-- -->",
    "::set-output name=x::y",
    "line\n::error::forged\r\n##[error]forged",
    "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    "\ufffe\uffff\x0b",
    'label"} 1\nforged_metric 1',
    "../../../../etc/passwd",
    "%FF%00%25",
    "x" * 4096,
)  # fmt: skip


def rule(number: int, title: str, severity: Severity, level: int = 1) -> Rule:
    return Rule(
        f"rule-{number}", f"1.{number}", title, level, severity, (Plane.STATIC,),
        "An attacker who cannot write the root file system cannot stay after a reboot.",
        f'apiclient set settings.kernel.sysctl."kernel.x{number}"="1"\nthen reboot',
        maps_to={"cis_bottlerocket": (f"1.{number}",), "nist_800_53": ("SC-30", "SI-16")},
    )  # fmt: skip


def fact(name: str, value: str | int, state: State = State.PRESENT) -> Fact:
    where = Locator(TARGET.name, "bank-a", "/usr/lib/sysctl.d/80-release.conf", 120)
    if state is not State.PRESENT:
        return Fact(Key("sysctl", (name,)), Plane.STATIC, state, where, reason="needs a node", scope="bank-a")
    return Fact(Key("sysctl", (name,)), Plane.STATIC, state, where, value, scope="bank-a")


def results() -> tuple[Result, ...]:
    waiver = Waiver("rule-4", "vendor driver needs it", "ada@example.org", date(2027, 1, 31))
    return (
        Result("container-host", rule(1, "The root file system is protected by dm-verity", Severity.CRITICAL),
               Outcome(Verdict.FAIL, "bank-a states another root hash", (fact("a", 1),))),
        Result("container-host", rule(2, "Address space layout randomization is fully on", Severity.HIGH),
               Outcome(Verdict.PASS, "kernel.randomize_va_space is 2", (fact("kernel.randomize_va_space", 2),))),
        Result("container-host", rule(3, "Kernel pointers are hidden", Severity.MEDIUM, 2),
               Outcome(Verdict.UNKNOWN, "needs a node", (fact("kernel.kptr_restrict", 0, State.UNREAD),))),
        Result("container-host", rule(4, "Kernel modules are signed", Severity.HIGH),
               Outcome(Verdict.FAIL, "module nvidia.ko has no signature", ()), waiver),
        Result("container-host", rule(5, "Somebody reads the journal", Severity.LOW),
               Outcome(Verdict.MANUAL, "a person must answer")),
        Result("container-host", rule(6, "FIPS mode is on", Severity.LOW, 2),
               Outcome(Verdict.NOT_APPLICABLE, "not a FIPS variant")),
    )  # fmt: skip


def benchmark(found: tuple[Result, ...]) -> BenchmarkResult:
    score = Score(25.0, 50.0, 1, 2, 1, 1, 1, 1)
    return BenchmarkResult(
        Benchmark("container-host", "Container host", "1.0", "Our own rules", tuple(r.rule for r in found),
                  {"1": "Integrity"}),
        found, score, Score(33.4, 66.7, 1, 1, 1, 1, 1, 1),
        {"1": Score(50.0, 50.0, 1, 1), "2": Score(0.0, 100.0, 0, 0, 1)}, {"1": score},
    )  # fmt: skip


def integrity() -> Integrity:
    where = Locator(TARGET.name, "BOTTLEROCKET-BOOT-A", "/grub/grub.cfg", 812)
    return Integrity(
        IntegrityVerdict.BROKEN,
        "bank-a: one data block is not what the tree says",
        (
            BankVerdict("bank-a", IntegrityVerdict.BROKEN, "one bad block", "ab" * 32, True, True, "1.57.0",
                        ("recomputed tree",)),
            BankVerdict("bank-b", IntegrityVerdict.UNKNOWN, "empty", None, False),
        ),
        (
            Place("bank-a", "boot text", "root_hash", "ab" * 32, where, True),
            Place("bank-a", "recomputed tree", "root_hash", "cd" * 32, Locator(TARGET.name, "HASH-A"), False),
        ),
        (ChainLink("tuf", "root.json vouches for targets.json", LinkState.VERIFIED, "3 of 3 keys"),),
        (BadBlockReport("bank-a", "data", 10769, 44109824, 4096, "/usr/bin/containerd", 8192, "containerd"),),
        1,
        ("superblock padding",),
        (
            UpdateAnswer("update-newer", "bank-a", "no newer release is offered", AnswerState.ATTENTION, "newer: 1.8.0",
                         "manifest.json"),
            UpdateAnswer("metadata-expiry", "", "the repository's metadata stay valid", AnswerState.FINE, "2027"),
        ),
    )  # fmt: skip


def ordinary() -> Report:
    """A broken image with one problem of most kinds."""
    found = results()
    return Report(
        tool=Tool("rocketaudit", "0.1.0"),
        target=TARGET,
        assurance=Assurance.DIRECT,
        integrity=integrity(),
        findings=(
            Finding("bytes-outside-tree", Severity.MEDIUM, "17 bytes that no digest covers are not zero",
                    Locator(TARGET.name, "BOTTLEROCKET-HASH-A", None, 8 << 20), "bytes 8388608 to 8388624"),
            Finding("unexplained-elf", Severity.HIGH, "an ELF file that no package explains",
                    Locator(TARGET.name, "bank-a", "/usr/bin/nc")),
        ),
        census=Census(
            412,
            (CensusRow("all", "rust", 180, 91_000_000), CensusRow("all", "go", 20, 60_000_000),
             CensusRow("all", "c", 212, 30_500_000), CensusRow("/usr/bin", "rust", 150, 80_000_000)),
            0.485, 0.832, 190, 1, (("/usr/bin/mount", "c", "setuid"),),
        ),
        components=components(),
        benchmarks=(benchmark(found),),
        unread=(Gap("bank-a", "/usr/share/licenses", "inode 77: an extent beyond the end"),),
        policy=PolicyResult(("integrity", "level1"), 1, ("integrity is broken: one data block", "one rule fails")),
        evidence=Evidence(TARGET, "bank-a", when="2026-09-01T10:00:00Z", host="builder",
                          collected_by=Tool("rocketaudit", "0.1.0")),
        created="2026-09-01T10:00:00Z",
    )  # fmt: skip


def components() -> tuple[Component, ...]:
    where = (Locator(TARGET.name, "bank-a", "/usr/bin/containerd"),)
    return (
        Component("os", "operating-system", "Bottlerocket OS", "1.57.0", found_by="os-release"),
        Component("pkg:containerd", "library", "containerd", "2.1.4-1.br1",
                  "pkg:rpm/bottlerocket/containerd@2.1.4-1.br1", found_by="inventory", parent="os"),
        Component("file:/usr/bin/containerd", "file", "/usr/bin/containerd", hashes=(("SHA-256", "ab" * 32),),
                  where=where, found_by="elf", parent="pkg:containerd",
                  properties=(("rocketaudit:language", "go"), ("rocketaudit:pie", "pie"))),
    )  # fmt: skip


def clean() -> Report:
    """Everything holds and everything could be decided."""
    found = (results()[1],)
    group = replace(benchmark(found), score=Score(100.0, 100.0, 1), score_with_waivers=Score(100.0, 100.0, 1))
    return replace(
        ordinary(),
        integrity=Integrity(IntegrityVerdict.VERIFIED, "all banks hold", integrity().banks[1:]),
        findings=(),
        benchmarks=(group,),
        unread=(),
        policy=PolicyResult(("integrity", "level1"), 0),
    )


def hostile() -> Report:
    """Every text that a target can state is an attack on some writer."""
    base = ordinary()
    found, findings, parts, gaps, places, bad, exposed, rows = [], [], [], [], [], [], [], []
    answers = []
    for number, text in enumerate(HOSTILE):
        where = Locator(text, text, text, 1, text)
        seen = Fact(Key(f"n{number}", (text,), text), Plane.STATIC, State.PRESENT, where, {text: (text, 1)}, text, text)
        one = replace(rule(number, text, Severity.HIGH), remediation=text, rationale=text, section=text)
        waiver = Waiver(one.id, text, text, date(2027, 1, 1))
        found.append(
            Result("container-host", one, Outcome(Verdict.FAIL, text, (seen,)), waiver if number % 2 else None)
        )
        findings.append(Finding(f"finding-{number}", Severity.HIGH, text, where, text, (seen,)))
        parts.append(
            Component(f"ref-{number}", "file", text, text, "", "", text, (text,), (("SHA-256", "ab" * 32),), (where,),
                      "elf", 1.0, "", (), ((f"rocketaudit:p{number}", text), ("rocketaudit:language", text)), text)
        )  # fmt: skip
        gaps.append(Gap(text, text, text))
        places.append(Place(text, text, text, text, where, False))
        bad.append(BadBlockReport("bank-a", "data", number, 0, 4096, text, 0, text, text, text))
        answers.append(UpdateAnswer("update-root", text, text, AnswerState.UNKNOWN, text, text))
        exposed.append((text, "c", text))
        rows.append(CensusRow("all", text, 1, 10))
    fields = dict.fromkeys(
        ("name", "os_name", "variant", "version", "build", "arch"), HOSTILE[0] + HOSTILE[6] + HOSTILE[7]
    )
    return replace(
        base,
        target=replace(TARGET, **fields),
        integrity=replace(
            integrity(), why=HOSTILE[0], places=tuple(places), bad_blocks=tuple(bad), updates=tuple(answers)
        ),
        findings=tuple(findings),
        components=tuple(parts),
        benchmarks=(benchmark(tuple(found)),),
        unread=tuple(gaps),
        census=Census(3, tuple(rows), 0.5, 0.5, exposed=tuple(exposed)),
        policy=PolicyResult(("any",), 1, HOSTILE, HOSTILE[0], HOSTILE[6], HOSTILE[7], HOSTILE, HOSTILE, HOSTILE[0]),
        evidence=replace(base.evidence, host=HOSTILE[6], when=HOSTILE[0]),
    )
