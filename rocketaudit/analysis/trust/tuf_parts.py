"""Signed boot, root and verity images of a release, one by one, against the banks of an image that was scanned.

The root hash comes out of the signed verity image alone, so the bank's own tree vouches for every block of its root.
A signed root image that is there as well must give the same root hash, block by block, and so be what the bank holds.
The files of the signed boot image are compared with those of the bank's boot partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rocketaudit.analysis.trust.tree_link import tree_link
from rocketaudit.analysis.trust.tuf_chain import CHAIN, ObservedFile, TufChain, file_link
from rocketaudit.model.disk import Bank
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import ChainLink, LinkState
from rocketaudit.model.verity import BEHIND_DATA, TreeCheck, VerityParameters

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class RootImage:
    """A root image by the tree of the verity image beside it; None when that could not be recomputed."""

    check: TreeCheck | None = None


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A file of the folder of targets: as it lies there, and what it holds.

    `parameters` of a verity image; `files` of a boot image: (type, digest or link target) by path; `root` of a root
    image. `problem` says why none could be read although the file looks like one of them.
    """

    file: ObservedFile
    parameters: VerityParameters | None = None
    files: Mapping[str, tuple[str, str]] | None = None
    problem: str = ""
    root: RootImage | None = None


def part_links(chain: TufChain, parts: Sequence[SignedPart], evidence: Evidence) -> Iterator[ChainLink]:
    """Every signed part, then every populated bank against the signed tree and the signed boot files."""
    signed: list[SignedPart] = []
    for part in parts:
        link = file_link(chain, part.file)
        if link.state is LinkState.VERIFIED:
            signed.append(part)
        yield replace(link, needed=False) if link.state is LinkState.MISSING else link
        if part.problem and link.state is LinkState.VERIFIED:
            yield ChainLink(CHAIN, f"{part.file.name} can be read", LinkState.NOT_CHECKABLE, part.problem, needed=False)
    trees = [part for part in signed if part.parameters is not None]
    boots = [part for part in signed if part.files is not None]
    if len(trees) != 1 or len(boots) != 1:
        why = f"{len(trees)} signed verity images and {len(boots)} signed boot images were given; one of each is needed"
        yield ChainLink(CHAIN, "targets sign boot and verity image", LinkState.MISSING, why)
        return
    banks = [bank for bank in evidence.disk.banks if bank.populated] if evidence.disk is not None else []
    if not banks:
        yield ChainLink(CHAIN, "a bank to check", LinkState.MISSING, f"{evidence.target.kind} holds none")
    for bank in banks:
        check = next((one.check for one in evidence.verity if one.scope == bank.scope), None)
        assert trees[0].parameters is not None
        link = tree_link(CHAIN, bank.scope, trees[0].parameters, check)
        yield replace(link, name=f"{bank.scope}: {link.name}", why=link.why or f"from {trees[0].file.name[:120]}")
        yield from (_root_link(bank, part, check) for part in signed if part.root is not None)
        yield _boot_link(evidence, bank, boots[0])


def _root_link(bank: Bank, part: SignedPart, check: TreeCheck | None) -> ChainLink:
    name = f"{bank.scope}: root is the signed root image"
    assert part.root is not None
    signed, source = part.root.check, part.file.name[:120]
    if part.problem or signed is None or signed.recomputed_root_hash is None:
        why = f"{source} could not be read: {part.problem or 'parts of it are unread'}"
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, why, bank.scope)
    if check is None or check.recomputed_root_hash is None:
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, "the tree was not recomputed", bank.scope)
    expected, observed = signed.recomputed_root_hash, check.recomputed_root_hash
    if signed.bad_blocks_total:
        why = f"{signed.bad_blocks_total} blocks of {source} do not fit the signed verity image"
        return ChainLink(CHAIN, name, LinkState.BROKEN, why, bank.scope, expected, observed)
    if observed != expected:
        return ChainLink(CHAIN, name, LinkState.BROKEN, f"it is not {source}", bank.scope, expected, observed)
    behind = [[one for one in each.slack if one.what == BEHIND_DATA] for each in (signed, check)]
    if behind[0] != behind[1]:
        wanted, there = (", ".join(f"{one.count} from byte {one.first}" for one in side) or "none" for side in behind)
        why = f"behind the last block other bytes than zero differ from {source}"
        return ChainLink(CHAIN, name, LinkState.BROKEN, why, bank.scope, wanted, there)
    if behind[0]:
        why = "there are bytes behind the last block that nobody compared"
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, why, bank.scope)
    return ChainLink(CHAIN, name, LinkState.VERIFIED, f"block by block, from {source}", bank.scope, expected, observed)


def _boot_link(evidence: Evidence, bank: Bank, part: SignedPart) -> ChainLink:
    name = f"{bank.scope}: boot files are those of the signed boot image"
    assert evidence.disk is not None and part.files is not None
    scope = next((one.scope for one in evidence.disk.partitions if one.number == bank.boot), None)
    if scope is None:
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, "the bank has no boot partition", bank.scope)
    if scope not in evidence.walked or any(gap.scope == scope for gap in evidence.gaps):
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, "parts of it could not be read", scope)
    here = {one.path: (one.type.value, one.target or one.sha256 or "") for one in evidence.scope_files(scope)}
    unread = [path for path, (kind, text) in here.items() if kind == FileType.REGULAR.value and not text]
    if unread:
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, f"not read: {', '.join(unread[:MAX_NAMED])}", scope)
    different = sorted(path for path in {*here, *part.files} if path != "/" and here.get(path) != part.files.get(path))
    if different:
        first = different[0]
        more = f" and {len(different) - MAX_NAMED} more" if len(different) > MAX_NAMED else ""
        why = f"not as signed: {', '.join(different[:MAX_NAMED])}{more}"
        expected, observed = (" ".join(side.get(first, ("nothing", ""))) for side in (part.files, here))
        return ChainLink(CHAIN, name, LinkState.BROKEN, why, f"{scope}:{first}", expected, observed)
    why = f"{len(here)} entries, from {part.file.name[:120]}"
    return ChainLink(CHAIN, name, LinkState.VERIFIED, why, scope)
