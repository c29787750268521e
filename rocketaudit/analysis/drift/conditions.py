"""What a change may be, asked one question at a time; the table of rulings puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rocketaudit.analysis.drift.areas import is_below_run_time_folder
from rocketaudit.analysis.drift.declared import DECLARED, Standing
from rocketaudit.analysis.drift.mapped import met_corruption
from rocketaudit.analysis.drift.sides import NOT_COMPARABLE, NOT_LOOKED_AT, UNREAD_ALIKE
from rocketaudit.formats.rpm_version import compare_evr, without_commit
from rocketaudit.model.change import Change, ChangeKind, Relation
from rocketaudit.model.fact import Plane
from rocketaudit.model.records import dataclass

REBUILT = frozenset({
    "root_hash", "recomputed_root_hash", "stored_root", "salt", "data_blocks", "verity_table", "kernel_version",
    "kernel_path", "initrd_paths", "hash_start_block", "statement", "tree_matches", "title", "remarks",
})  # fmt: skip
RELEASE_AREAS = frozenset({
    "files", "binaries", "packages", "licences", "sysctls", "units", "mounts", "modules", "kernel", "configuration",
    "settings", "sockets", "trust-store", "signed-texts", "identity",
})  # fmt: skip
# what an ext4 superblock says while it is mounted for writing, in a partition's `warnings` and `features`
MOUNTED = frozenset({
    "needs_recovery: the journal holds changes that are not applied here", "not cleanly unmounted",
    "deleted files wait for clean-up", "needs_recovery", "orphan_present",
})  # fmt: skip
_UNSAFE_LANGUAGES = ("c", "c++")
_NO_PROTECTION = ("stripped", "debug_info", "mini_debug_info", "section_headers", "static", "fortified", "fortifiable",
                  "sanitizers", "packed")  # fmt: skip
_WORSE_WHEN_TRUE = ("textrel", "execstack", "wx_segments", "risky_paths", "rpath", "runpath")
_PROTECTED = frozenset({"yes", "full", "pie", "static-pie", "dso", "likely", "not_applicable"})
_WEAK = frozenset({"no", "none", "exec", "partial", "absent", "unknown"})


@dataclass(frozen=True, slots=True)
class InPlace:
    """An update that went into the other bank: from which bank, into which, and that one's partitions."""

    before: str
    after: str
    partitions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Case:
    """A change and what it is seen against. `same_root`: its bank states the same root hash on both sides.

    `has_node`: one side at least is a running node; `node_against_release`: exactly one is.
    `in_place` is None but for an upgrade into the other bank. `standing` says whether a move was declared;
    `share_fall` by how many points a share may fall in an update.
    """

    change: Change
    relation: Relation
    same_root: bool = False
    node_against_release: bool = False
    has_node: bool = False
    same_kind: bool = True
    in_place: InPlace | None = None
    standing: Standing = Standing.DECLARED
    share_fall: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether another release is what the current side says, in either direction, and nobody said otherwise."""
        return self.relation in (Relation.UPGRADE, Relation.DOWNGRADE) and self.standing is not Standing.REFUTED


def area(*names: str) -> Callable[[Case], bool]:
    return lambda case: case.change.area in names


def attribute(area: str, *names: str) -> Callable[[Case], bool]:
    return lambda case: case.change.area == area and case.change.attribute in names


def mapped(*names: str) -> Callable[[Case], bool]:
    """What a node's kernel holds of the mapped root, as a fact of two moments."""
    facts = {f"dm:root#{name}" for name in names}
    return lambda case: case.change.area == "integrity" and path_of(case.change) in facts


def moved(area: str, *names: str) -> Callable[[Case], bool]:
    return lambda case: case.moves and case.change.area == area and case.change.attribute in names


def path_of(change: Change) -> str:
    """The path in the subject of a change to a file or a program."""
    return change.subject.partition(":")[2]


def _is_root(change: Change) -> bool:
    label = change.subject.partition(":")[0]
    return label.startswith("bank-") or label == "judged-root"


def is_protected_file(case: Case) -> bool:
    return case.change.area == "files" and _is_root(case.change) and not is_run_time(case)


def is_run_time(case: Case) -> bool:
    """A file below a folder that a running node fills, where a running node is one of the sides."""
    if not case.has_node or case.change.area not in ("files", "binaries"):
        return False
    return is_below_run_time_folder(path_of(case.change))


def is_broken_tree(case: Case) -> bool:
    change = case.change
    if met_corruption(change):
        return True
    if change.area != "integrity" or change.attribute not in (
        "verdict",
        "bad_blocks",
        "problems",
        "hidden_data",
        "tree",
    ):
        return False
    return change.after not in ("verified", None, (), "empty")


def is_repaired_tree(case: Case) -> bool:
    return attribute("integrity", "verdict", "bad_blocks", "problems", "hidden_data")(case)


def gains_privilege(case: Case) -> bool:
    """A file that is setuid, setgid or holds capabilities now and was not before."""
    change = case.change
    if change.area != "files":
        return False
    if change.attribute == "capability":
        return change.after is not None
    if isinstance(change.after, Mapping) and change.after.get("capability"):
        return True
    if isinstance(change.after, Mapping) and change.after.get("type") == "directory":
        return False
    after, before = _mode(change.after), _mode(change.before)
    return after is not None and bool(after & 0o6000 & ~(before or 0))


def gains_privilege_at_run_time(case: Case) -> bool:
    """As above in a folder that a node fills, where services make setgid folders by themselves."""
    if not is_run_time(case) or not gains_privilege(case):
        return False
    after = _mode(case.change.after)
    return case.change.attribute != "mode" or (after is not None and bool(after & 0o4000))


def _mode(value: object) -> int | None:
    text = value.get("mode") if isinstance(value, Mapping) else value
    return int(text, 8) if isinstance(text, str) and len(text) == 4 and set(text) <= set("01234567") else None


def is_unsafe_language(case: Case) -> bool:
    change = case.change
    if change.area != "binaries":
        return False
    if change.attribute == "language":
        return isinstance(change.after, str) and change.after.split(" ")[0] in _UNSAFE_LANGUAGES
    after = change.after.get("language") if isinstance(change.after, Mapping) else None
    return change.attribute == "program" and change.before is None and after in _UNSAFE_LANGUAGES


def loses_hardening(case: Case) -> bool:
    change = case.change
    name = change.attribute.removeprefix("hardening.")
    if change.area != "binaries" or name == change.attribute or name in _NO_PROTECTION:
        return False
    if name in _WORSE_WHEN_TRUE:
        return bool(change.after)
    if isinstance(change.before, bool) or isinstance(change.after, bool):
        return change.before is True and change.after is not True
    return (change.before in _PROTECTED and change.after in _WEAK) or (change.before, change.after) == (
        "partial",
        "none",
    )


def goes_down(case: Case) -> bool:
    """A package whose version is older than before."""
    change = case.change
    if change.area != "packages" or change.attribute != "version":
        return False
    if not (isinstance(change.before, str) and isinstance(change.after, str)):
        return False
    return compare_evr(without_commit(change.before), without_commit(change.after)) > 0


def follows_from_update_in_place(case: Case) -> bool:
    """What filling the other bank and booting it changes outside of the banks' contents."""
    change, update = case.change, case.in_place
    if update is None:
        return False
    match change.area:
        case "banks":
            return change.subject in (update.before, update.after)
        case "partitions":
            filled = change.attribute in ("content", "uuid", "label", "features", "detail")
            return filled and change.subject.partition(" ")[0] in update.partitions
        case "boot":
            scope = change.subject.partition(":")[0].partition("-")[2]
            return change.attribute == "entry" and change.before is None and update.after == f"bank-{scope}"
        case _:
            return change.area == "kernel-arguments" and path_of(change) == "kernel_arg:BOOT_IMAGE"


def marks_first_boot(case: Case) -> bool:
    """The bit that a first boot sets of the bank that boots next, or PRIVATE's (bit 57); nothing else with it."""
    change = case.change
    if change.kind is not ChangeKind.CHANGED:
        return False
    if change.area == "banks" and isinstance(change.before, Mapping) and isinstance(change.after, Mapping):
        return change.before.get("boots_next") is True and dict(change.after) == {**change.before, "successful": True}
    if change.area == "partitions" and change.attribute == "attributes":
        return int(str(change.after), 16) == int(str(change.before), 16) | 1 << 57
    return False


def is_release_version(case: Case) -> bool:
    """The one change that tells the move to another release."""
    return case.change.area == "identity" and case.change.attribute == "version" and not is_declaration(case)


def stands(standing: Standing) -> Callable[[Case], bool]:
    """The change that tells the move, where only so much stands behind it."""
    return lambda case: case.standing is standing and is_release_version(case)


def is_declaration(case: Case) -> bool:
    """What the user said that the current side is, and it is not."""
    return case.change.area == "identity" and case.change.subject == DECLARED


def is_of_workloads(case: Case) -> bool:
    """What comes and goes with the workloads of a running node."""
    fact = (case.change.area, path_of(case.change))
    return case.has_node and fact in (("mounts", "mounts:all#count"), ("updates", "update:status#state"))


def is_mounted(case: Case) -> bool:
    """What a file system says of itself while a running node has it mounted for writing."""
    change = case.change
    if not case.has_node or change.area != "partitions" or change.attribute not in ("warnings", "features"):
        return False
    before, after = (set(side) if isinstance(side, tuple) else set() for side in (change.before, change.after))
    return before ^ after <= MOUNTED


def is_data(case: Case) -> bool:
    """The bytes of the partition that a node keeps its data in."""
    change = case.change
    scope = change.where_before.partition or ""
    return (change.area, change.attribute) == ("partitions", "bytes") and scope.startswith("data")


def is_table_argument(case: Case) -> bool:
    """The kernel argument that holds the verity table, in either spelling."""
    names = ("kernel_arg:dm_mod.create", "kernel_arg:dm-mod.create")
    return case.change.area == "kernel-arguments" and path_of(case.change) in names


def is_configured(case: Case) -> bool:
    """A setting that a node has and the image has no default for: it came from user data or the cloud."""
    change = case.change
    return case.node_against_release and change.area == "settings" and change.before is None


def is_node_only(case: Case) -> bool:
    """Nothing was damaged: one side is of a kind that does not have such a thing at all, or was not asked.

    What the baseline says and the current side, of the same kind, was not asked for is missing all the same.
    """
    change = case.change
    if change.kind is not ChangeKind.UNREADABLE:
        return False
    if change.decided_by == NOT_LOOKED_AT:
        return not (case.same_kind and change.before is not None)
    return change.decided_by == NOT_COMPARABLE


def is_unread_alike(case: Case) -> bool:
    """A fact of a running system that neither side could see from where it stood: no worse than it was."""
    change = case.change
    is_runtime = change.attribute == Plane.RUNTIME.value and not case.node_against_release
    return is_runtime and change.kind is ChangeKind.UNREADABLE and change.decided_by == UNREAD_ALIKE
