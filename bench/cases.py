"""What is measured: one line per case. Words in braces are files of bench/targets.py."""

from __future__ import annotations

from dataclasses import dataclass

SCAN = "{python} -m rocketaudit scan -q --fail-on never -o json="
PART = "{python} -m bench.inside "
JUDGING = "{python} -m bench.inside_evidence "


@dataclass(frozen=True, slots=True)
class Case:
    """`ours` against `reference`; exit codes in `accept` are a success of ours. `says` is what the ratio means.

    `inside`: both commands measure a part of themselves and print "wall cpu".
    """

    name: str
    ours: str
    reference: str
    says: str
    pairs: int = 5
    accept: tuple[int, ...] = (0,)
    inside: bool = False


CASES: tuple[Case, ...] = (
    Case(
        "scan, 2 GiB, ext4 root",
        SCAN + "{scratch} {ext4}",
        "veritysetup verify {ext4.root} {ext4.hash} {ext4.root_hash}",
        "the whole scan against checking the hash tree alone",
    ),
    Case(
        "scan, 2 GiB, EROFS root",
        SCAN + "{scratch} {erofs}",
        "veritysetup verify {erofs.root} {erofs.hash} {erofs.root_hash}",
        "the whole scan against checking the hash tree alone",
    ),
    Case(
        "scan, 2 GiB, ext4 root, one process",
        SCAN + "{scratch} --workers 1 {ext4}",
        "veritysetup verify {ext4.root} {ext4.hash} {ext4.root_hash}",
        "the same with --workers 1",
    ),
    Case(
        "verity, 2 GiB, ext4 root",
        "{python} -m rocketaudit verity {ext4}",
        "veritysetup verify {ext4.root} {ext4.hash} {ext4.root_hash}",
        "the same work by the same rules",
    ),
    Case(
        "verity, 2 GiB, EROFS root",
        "{python} -m rocketaudit verity {erofs}",
        "veritysetup verify {erofs.root} {erofs.hash} {erofs.root_hash}",
        "the same work by the same rules",
    ),
    Case(
        "scan of .img.lz4",
        SCAN + "{scratch} {ext4.lz4}",
        SCAN + "{scratch} {ext4}",
        "what the container adds to the raw image",
        pairs=3,
    ),
    Case(
        "scan of .qcow2 (compressed)",
        SCAN + "{scratch} {ext4.qcow2}",
        SCAN + "{scratch} {ext4}",
        "what the container adds to the raw image",
        pairs=3,
    ),
    Case(
        "scan of .ova",
        SCAN + "{scratch} {ext4.ova}",
        SCAN + "{scratch} {ext4}",
        "what the container adds to the raw image",
        pairs=3,
    ),
    Case(
        "part: list all files, ext4 root",
        PART + "list {ext4}",
        PART + "open {ext4}",
        "the walk alone (wanted: 0.05 s) against opening the image",
        pairs=9,
        inside=True,
    ),
    Case(
        "part: list all files, EROFS root",
        PART + "list {erofs}",
        PART + "open {erofs}",
        "the walk alone (wanted: 0.05 s) against opening the image",
        pairs=9,
        inside=True,
    ),
    Case(
        "part: read and SHA-256 of all files, ext4 root",
        PART + "read {ext4}",
        PART + "memory {ext4}",
        "against hashing the same bytes from memory, one process (wanted: 1.1)",
        pairs=7,
        inside=True,
    ),
    Case(
        "part: read and SHA-256 of all files, EROFS root",
        PART + "read {erofs}",
        PART + "memory {erofs}",
        "against hashing the same bytes from memory, one process (wanted: 1.8)",
        pairs=7,
        inside=True,
    ),
    Case(
        "part: read and SHA-256 of all files, ext4 root, two processes",
        PART + "share {ext4}",
        PART + "memory {ext4}",
        "as a scan does it, against hashing the same bytes from memory on one core",
        pairs=7,
        inside=True,
    ),
    Case(
        "part: read and SHA-256 of all files, EROFS root, two processes",
        PART + "share {erofs}",
        PART + "memory {erofs}",
        "as a scan does it, against hashing the same bytes from memory on one core",
        pairs=7,
        inside=True,
    ),
    Case(
        "part: open .img.lz4",
        PART + "open {ext4.lz4}",
        PART + "open {ext4}",
        "what the container adds (wanted: 0.8 s) against opening the raw image",
        inside=True,
    ),
    Case(
        "part: open .qcow2",
        PART + "open {ext4.plain_qcow2}",
        PART + "open {ext4}",
        "what the container adds (wanted: 0.5 s) against opening the raw image",
        inside=True,
    ),
    Case(
        "part: open .qcow2 (compressed)",
        PART + "open {ext4.qcow2}",
        PART + "open {ext4}",
        "what the container adds, inflating all of it, against opening the raw image",
        inside=True,
    ),
    Case(
        "part: open .ova",
        PART + "open {ext4.ova}",
        PART + "open {ext4}",
        "what the container adds, inflating all of it (wanted: 3.5 s), against opening the raw image",
        inside=True,
    ),
    Case(
        "start-up: --help",
        "{python} -m rocketaudit --help",
        "{python} -c pass",
        "what the command line adds to the interpreter",
        pairs=15,
    ),
    Case(
        "list all files, ext4 root",
        "{python} -m rocketaudit ls -R {ext4}",
        "{python} -c pass",
        "walking the tree against an empty interpreter",
    ),
    Case(
        "read one file, ext4 root",
        "{python} -m rocketaudit cat {ext4} /usr/lib/os-release",
        "debugfs -R 'cat {ext4.file}' {ext4.root}",
        "finding the bank that boots and one file in it, against a tool that is given both",
    ),
    Case(
        "part: all rules over evidence of 2,000 programs",
        JUDGING + "rules {evidence.programs}",
        JUDGING + "json {evidence.programs}",
        "every shipped rule (wanted: 0.15 s) against the library reading the same JSON",
        pairs=9,
        inside=True,
    ),
    Case(
        "part: load and judge evidence of 2,000 programs",
        JUDGING + "judge {evidence.programs}",
        JUDGING + "json {evidence.programs}",
        "evidence and rules loaded, all judged (wanted: 0.5 s), against the library reading the same JSON",
        pairs=9,
        inside=True,
    ),
    Case(
        "part: drift of two evidence files, 10,000 files each",
        JUDGING + "drift {evidence} {evidence.changed}",
        JUDGING + "json {evidence} {evidence.changed}",
        "both loaded, judged and compared (wanted: 0.3 s) against the library reading the same JSON",
        pairs=9,
        inside=True,
    ),
    Case(
        "start-up: judge",
        "{python} -m rocketaudit judge -q --fail-on never {evidence.programs}",
        "{python} -m rocketaudit judge --help",
        "loading and judging evidence of 2,000 programs against starting the command",
    ),
    Case(
        "drift of two evidence files, 10,000 files each",
        "{python} -m rocketaudit drift -q --fail-on never -o json={scratch} {evidence} {evidence.changed}",
        "{python} -m rocketaudit drift --help",
        "reading, comparing and judging against starting the command",
    ),
    Case(
        "history of one of ten targets, 10,000 scans",
        "{python} -m rocketaudit history node-3 --store {store} --since sysctl:kernel.y",
        "{python} -m rocketaudit history --help",
        "asking the store against starting the command",
    ),
    Case(
        "write an SBOM of 20,000 components",
        "{python} -m bench.inside_sbom write",
        "{python} -m bench.inside_sbom dump",
        "evidence and components to the bytes of CycloneDX (wanted: 3 s) against dumping the finished document",
        inside=True,
    ),
)
