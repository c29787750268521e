"""Evidence built by hand that holds at least one of everything that the model knows."""

from __future__ import annotations

import base64

from rocketaudit.model.bank_verity import BankVerity, BlockOwner, Statement
from rocketaudit.model.binary import (
    Binary,
    BinaryKind,
    Canary,
    Confidence,
    Crate,
    Fortify,
    GoModule,
    Hardening,
    KernelModuleInfo,
    Language,
    ModuleSignature,
    Nx,
    PackageNote,
    Pie,
    Relro,
    Signal,
)
from rocketaudit.model.disk import (
    Bank,
    BootEntry,
    BootKind,
    Container,
    Content,
    DiskSummary,
    Layout,
    Partition,
    PartitionTable,
    Problem,
    Release,
    TableKind,
)
from rocketaudit.model.evidence import Coverage, Evidence, SignedBlob
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.package import Package
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verity import (
    BadBlock,
    BlockRange,
    FecParameters,
    Slack,
    TreeCheck,
    TreeVerdict,
    UnreadRange,
    VerityParameters,
)

IMAGE = Target(
    "disk.img", TargetKind.IMAGE, "raw", 1 << 30, None, "bottlerocket", "Bottlerocket OS", "aws-k8s-1.34", "1.62.0",
    "5f0c1a7e", "x86_64", "grub-two-banks", None, "6.18.4",
)  # fmt: skip
DIGEST = "ab" * 32
BANK = "bank-a"
# one of every namespace that a collector makes, with a value and another one
FACTS: tuple[tuple[str, JsonValue, JsonValue], ...] = (
    ("os_release:VERSION_ID", "1.62.0", "1.62.1"),
    ("image_feature:SELINUX", "yes", "no"),
    ("image_format:IMAGE_FORMAT", "raw", "qcow2"),
    ("kernel_arg:selinux", "1", "0"),
    ("init_arg:systemd.show_status", "true", "false"),
    ("kconfig:CONFIG_MODULE_SIG_FORCE", "y", "n"),
    ("kernel_hmac:vmlinuz#matches", True, False),
    ("modprobe:cramfs#blacklist", "", "x"),
    ("modules:loadable", ("dm_verity", "erofs"), ("dm_verity",)),
    ("modules:built_in", ("ext4",), ("ext4", "xfs")),
    ("module:overlay#signed", True, False),
    ("sysctl:kernel.kptr_restrict", "1", "0"),
    ("lockdown:mode", "integrity", "none"),
    ("selinux:mode", "enforcing", "permissive"),
    ("unit:sshd.service#state", "disabled", "enabled"),
    ("unit:api.socket#listens", ("/run/api.sock",), ("0.0.0.0:80",)),
    ("mount:/tmp#options", ("nosuid", "nodev"), ("nosuid",)),
    ("cover:/opt/cni#added", ("a",), ("a", "b")),
    ("mounts:all#count", 30, 31),
    ("mounted_view:added", (), ("/usr/bin/nc",)),
    ("listening:sockets", ("tcp 0.0.0.0:22",), ("tcp 0.0.0.0:23",)),
    ("units:running", ("a.service",), ("b.service",)),
    ("os:variant_id", "a", "b"),
    ("update:status#state", "Idle", "Ready"),
    ("own_check:bottlerocket#status", "pass", "fail"),
    ("dm:root#status", "V", "C"),
    ("bootconfig:keys", ("a",), ("b",)),
    ("secure_boot:enabled", True, False),
    ("security_modules:running", ("selinux",), ()),
    ("fips:enabled", True, False),
    ("kernel:tainted", 0, 1),
    ("ip6tables:INPUT#chains", "DROP", "ACCEPT"),
    ("settings:api", 3, 4),
    ("user:root#shell", "/sbin/nologin", "/bin/sh"),
    ("users:uid_zero", ("root",), ("root", "toor")),
    ("setting:kernel.lockdown", "integrity", "none"),
    ("settings_defaults:file", "/a.toml", "/b.toml"),
    ("made_file:/etc/x#mode", "0600", "0644"),
    ('setting:["host-containers","admin","enabled"]', False, True),
    ("update_root:root#version", 1, 2),
    ("ca_bundle:system#certificates", 120, 121),
    ('config:["/etc/chrony.conf",""]#directives', True, False),
    ("kubelet_flag:anonymous-auth", "false", "true"),
    ("kubelet_drop_ins:/etc/kubernetes/kubelet/config", "a", "b"),
    ("iptables:INPUT#chains", "DROP", "ACCEPT"),
    ("inventory:packages", 14, 15),
    ("vendor_sbom:x.json#components", (("a", "1"),), (("a", "2"),)),
    ("attribution:apiclient", {"": "MIT"}, {"": "GPL-2.0"}),
    ("attribution_problems:apiclient", ("a",), ("b",)),
    ("package:glibc#version", "2.43", "2.44"),
    ("something_new:subject", 1, 2),
)
PARAMETERS = VerityParameters(
    1, "sha256", 4096, 4096, 2067, "cd" * 32, "ef" * 32, 1, ("restart_on_corruption", "ignore_zero_blocks"),
    FecParameters("PARTUUID=x", 2, 2100, 2100),
)  # fmt: skip


def fact(key: str, value: JsonValue, plane: Plane = Plane.STATIC, scope: str = BANK) -> Fact:
    where = Locator("disk.img", scope, "/usr/lib/x")
    return Fact(Key.parse(key), plane, State.PRESENT, where, value, scope=scope)


def file(path: str, **changes: object) -> FileRecord:
    fields: dict[str, object] = {
        "scope": BANK, "path": path, "type": FileType.REGULAR, "mode": 0o644, "uid": 0, "gid": 0, "size": 100,
        "mtime": 17, "sha256": DIGEST, "selinux": "system_u:object_r:os_t:s0",
        "xattrs": (("security.selinux", "c3lz"), ("user.note", "eA==")),
    }  # fmt: skip
    return FileRecord(**{**fields, **changes})  # type: ignore[arg-type]


def files() -> tuple[FileRecord, ...]:
    capability = FileCapability(("cap_net_raw",), ("cap_chown",), True, 1000)
    return (
        file("/", type=FileType.DIRECTORY, mode=0o755, sha256=None),
        file("/usr/bin/a", mode=0o755, content="elf", sha512="12" * 64, inode=12),
        file("/usr/bin/ping", mode=0o755, capability=capability, content="script", interpreter="/bin/sh"),
        file("/usr/bin/link", type=FileType.SYMLINK, target="a", sha256=None, mode=0o777),
        file("/dev/null", type=FileType.CHARACTER, rdev=(1, 3), sha256=None),
        file("/grub/grub.cfg", scope="boot-a"),
    )


def binary(path: str = "/usr/bin/a") -> Binary:
    hardening = Hardening(
        Relro.FULL, True, Pie.PIE, Nx.YES, Canary.YES, Fortify.YES, 3, 5, "/opt", "/lib", ("/tmp",), True, True, None,
        None, 0, False, False, False, True, False, False, True, False, ("asan",),
    )  # fmt: skip
    module = KernelModuleInfo(
        "x",
        "1",
        "GPL",
        "6.18.4 SMP",
        "AB",
        "me",
        "a module",
        ("y",),
        True,
        True,
        ModuleSignature("me", "01", "sha512", 9),
    )
    return Binary(
        BANK, path, DIGEST, "12" * 64, 100, "x86_64", 64, "little", BinaryKind.EXECUTABLE, Language.RUST, None,
        ("rust",), (("rust", 0.5, "unwind"),), Confidence.HIGH, (Signal("needed", "libstd.so", 4),), hardening,
        "/lib64/ld.so", ("libc.so.6",), "liba.so", "aa" * 20,
        (Crate("serde", "1.0.0", "crates.io", "path", Confidence.HIGH),), "go1.24", "main",
        (GoModule("golang.org/x/sys", "v0.1.0", "fork@v2", "h1:x"),),
        PackageNote("rpm", "a", "1.0", "x86_64", "cpe:x", "https://x"), module, 1234, None,
        go_module=GoModule("x.org/main", "(devel)", None, None), go_stated=(("vcs", "git"),),
    )  # fmt: skip


def disk() -> DiskSummary:
    partitions = (
        Partition(1, "boot-a", "BOOT-A", "guid-boot", "boot", "unique-1", 4096, 8192, 0x0100 << 48, Content.EXT4,
                  "BOOT", "uuid-1", "detail", ("64bit",), ("odd",)),
        Partition(2, BANK, "ROOT-A", "guid-root", "root", "unique-2", 16384, 8192, 0, Content.EROFS),
    )  # fmt: skip
    entry = BootEntry(
        BootKind.GRUB, "boot-a", 1, "/grub/grub.cfg", BANK, "Bottlerocket", 'a=1 "dm-mod.create=TABLE"', "TABLE",
        "/vmlinuz", ("/initrd",), True, "6.18.4",
    )  # fmt: skip
    return DiskSummary(
        Container("raw", ("raw",), 10, 10, "", ("note",), (Problem("odd container"),), "x"),
        PartitionTable(TableKind.GPT, 512, "disk-guid", False, (Problem("odd", "boot-a", 3),)),
        partitions,
        Layout.GRUB_TWO_BANKS,
        (Bank("A", BANK, 1, 2, 3, 4, 1, 0, True, True, True, True, 5), Bank("B", "bank-b", 6, 7, 8)),
        (entry,),
        Release((("ID", "bottlerocket"),), (("A", "b"),), (("C", "d"),)),
        (Problem("odd disk"),),
    )


def verity() -> BankVerity:
    check = TreeCheck(
        PARAMETERS, "ef" * 32, TreeVerdict.CORRUPT, (BadBlock("data", 7, 28672, 4096, "aa", "bb", "x", 7, 1),), 1,
        28672, "data", 3, (BlockRange(7, 7),), 1, (9,), 1, (UnreadRange(1, 2, "torn"),), (Slack("padding", 1, 2, 2),),
    )  # fmt: skip
    statement = Statement("boot text", PARAMETERS, Locator("disk.img"), True, ("contradicts",), ("odd",))
    return BankVerity(
        BANK, True, (statement,), check, (BlockOwner("data", 7, 1, 2, "/usr/bin/a", 0, "x"),), "torn", "ROOT-A",
        "HASH-A", ("17 bytes",), ("boot text",), "ee" * 32, 4096, 8192,
    )  # fmt: skip


def package(name: str = "glibc") -> Package:
    return Package(
        name, "2.43", "1.br1", "1", "x86_64", "Bottlerocket", "library", "2026-01-01", "https://x", "C library",
        "g.rpm", DIGEST, False, BANK,
    )  # fmt: skip


def whole() -> Evidence:
    """Everything at once; it holds gaps in places, so it is not equal to itself without a word."""
    text = base64.b64encode(b"linux $root/vmlinuz a=1\n").decode()
    return Evidence(
        IMAGE,
        BANK,
        facts=(
            *(fact(key, value) for key, value, _ in FACTS),
            fact("sysctl:vm.swappiness", "60", Plane.RUNTIME),
            fact("kernel_arg:quiet", "", scope="boot-a"),
        ),
        files=files(),
        binaries=(binary(),),
        packages=(package(), Package("kernel-6.18", "6.18.4", scope=BANK)),
        disk=disk(),
        verity=(verity(), BankVerity("bank-b", populated=False)),
        blobs=(
            SignedBlob("/grub/grub.cfg", text, Locator("disk.img", "boot-a", "/grub/grub.cfg"), "boot-a"),
            SignedBlob("root.json", text, Locator("disk.img", BANK), BANK),
        ),
        covered=(
            Coverage(Plane.STATIC, BANK, "*"),
            Coverage(Plane.RUNTIME, BANK, "*"),
            Coverage(Plane.STATIC, "boot-a", "*"),
        ),
        walked=(BANK, "boot-a"),
    )


def sound() -> Evidence:
    """The same without anything unread: equal to itself."""
    from dataclasses import replace

    bank = verity()
    assert bank.check is not None
    return replace(
        whole(), verity=(replace(bank, unread=None, check=replace(bank.check, unread=())), whole().verity[1])
    )
