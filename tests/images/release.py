"""The documents that a release carries about itself: identity, inventory, SBOM, kernel and its configuration."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """Which release an image says it is."""

    version: str = "1.62.0"
    variant: str = "aws-k8s-1.36"
    build: str = "5f0c1a7e"
    arch: str = "x86_64"
    kernel: str = "6.18.4"

    @property
    def pretty_name(self) -> str:
        return f"Bottlerocket OS {self.version} ({self.variant})"


@dataclass(frozen=True, slots=True)
class Package:
    """One row of the inventory and the paths that belong to it."""

    name: str
    version: str
    summary: str
    publisher: str = "bottlerocket-core-kit"
    epoch: str = "0"


PACKAGES = (
    Package("apiclient", "0.0", "Client of the settings service", "Bottlerocket"),
    Package("apiserver", "0.0", "Settings service", "Bottlerocket"),
    Package("chrony", "4.8", "Keeps the clock right"),
    Package("containerd-2.2", "2.2.1", "Container runtime"),
    Package("filesystem", "1.0", "The directories of the system"),
    Package("glibc", "2.43", "C library", epoch="1"),
    Package("host-ctr", "0.0", "Runs host containers", "Bottlerocket"),
    Package("kernel-6.18", "6.18.4", "Linux kernel", "bottlerocket-kernel-kit"),
    Package("libgcc", "15.2.0", "Runtime of the compilers"),
    Package("libopenssl", "3.5.4", "TLS library"),
    Package("release", "0.0", "Identity and defaults of the system"),
    Package("selinux-policy", "0.0", "SELinux policy"),
    Package("signpost", "0.0", "Chooses the bank to boot", "Bottlerocket"),
    Package("systemd-257", "257.9", "Service manager"),
)


def os_release(release: Release) -> str:
    return (
        "NAME=Bottlerocket\nID=bottlerocket\n"
        f'VERSION="{release.version} ({release.variant})"\n'
        f'PRETTY_NAME="{release.pretty_name}"\n'
        f"VARIANT_ID={release.variant}\nVERSION_ID={release.version}\nBUILD_ID={release.build}\n"
        'HOME_URL="https://example.org/bottlerocket"\nVENDOR_NAME="Bottlerocket"\n'
    )


def inventory(release: Release, packages: Sequence[Package] = PACKAGES) -> str:
    """application-inventory.json in the shape of 2026, one synthetic source-package row included."""
    rows = [_row(release, package) for package in packages]
    source = _row(release, Package("systemd", "257.9", "Service manager (source package)"))
    return json.dumps({"Content": [*rows, source | {"PackageId": ""}]}, indent=2) + "\n"


def _row(release: Release, package: Package) -> dict[str, str]:
    revision = f"1.1790000000.{release.build}.br1"
    rpm = f"bottlerocket-{package.name}-{package.version}-{revision}.{release.arch}.rpm"
    return {
        "Name": package.name,
        "Publisher": package.publisher,
        "Version": package.version,
        "Release": revision,
        "Epoch": package.epoch,
        "InstalledTime": "2026-09-21T13:33:20Z",
        "ApplicationType": "Unspecified",
        "Architecture": release.arch,
        "Url": f"https://example.org/{package.name}",
        "Summary": package.summary,
        "PackageId": f"{rpm}@sha256:{hashlib.sha256(rpm.encode()).hexdigest()}",
    }


def vendor_sbom(release: Release, packages: Sequence[Package] = PACKAGES) -> str:
    """The CycloneDX 1.6 document that the vendor ships inside: RPMs and a few crates and modules."""
    rpms = [
        {
            "type": "library",
            "bom-ref": f"rpm-{package.name}",
            "name": package.name,
            "version": package.version,
            "purl": f"pkg:rpm/bottlerocket/{package.name}@{package.version}-1.br1"
            f"?arch={release.arch}&epoch={package.epoch}&distro={release.version}",
        }
        for package in packages
    ]
    vendored = [("cargo", "serde", "1.0.228"), ("cargo", "tokio", "1.48.0"), ("golang", "golang.org/x/sys", "v0.38.0")]
    libraries = [
        {"type": "library", "bom-ref": f"{kind}-{at}", "name": name, "version": version}
        | {"purl": f"pkg:{kind}/{name}@{version}"}
        for at, (kind, name, version) in enumerate(vendored)
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:6b0c5d0e-0e54-5d0b-9d2a-3f6f0f2a7c11",
        "version": 1,
        "metadata": {
            "timestamp": "2026-09-21T13:33:20Z",
            "component": {"type": "operating-system", "name": "variant-rpms", "version": release.version},
        },
        "components": rpms + libraries,
    }
    return json.dumps(document, indent=2) + "\n"


def noise(name: str, length: int) -> bytes:
    """Filler that is never all zero, the same for the same name; it compresses well."""
    pattern = hashlib.shake_128(name.encode()).digest(256)
    return (pattern * (length // len(pattern) + 1))[:length]


def bootconfig(text: str) -> bytes:
    """Kernel arguments as an initrd of their own (Documentation/admin-guide/bootconfig.rst)."""
    body = text.encode()
    body += bytes(-len(body) % 4)
    return body + struct.pack("<II", len(body), sum(body)) + b"#BOOTCONFIG\n"


def kernel_image(release: Release, length: int = 256 << 10) -> bytes:
    """A bzImage header (Documentation/arch/x86/boot.rst) with its version string; the code is filler."""
    said = f"{release.kernel} (builder@rocketaudit) #1 SMP PREEMPT_DYNAMIC\0".encode()
    image = bytearray(noise("kernel", length))
    image[0:0x200] = bytes(0x200)
    image[0x1F1] = 4  # setup sectors
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x020F)
    struct.pack_into("<H", image, 0x20E, 0x300)
    image[0x500 : 0x500 + len(said)] = said
    return bytes(image)


def kernel_hmac(kernel: bytes) -> str:
    """The FIPS self-test value: an HMAC with a public key string."""
    return f"{hmac.new(b'FIPS-FTW-RHT2009', kernel, 'sha512').hexdigest()}  vmlinuz\n"


KERNEL_CONFIG = """\
CONFIG_LSM="landlock,lockdown,yama,loadpin,safesetid,selinux,smack,tomoyo,apparmor,ipe,bpf"
CONFIG_SECURITY_SELINUX=y
# CONFIG_SECURITY_SELINUX_BOOTPARAM is not set
# CONFIG_SECURITY_SELINUX_DEVELOP is not set
CONFIG_SECURITY_LOCKDOWN_LSM=y
CONFIG_SECURITY_LOCKDOWN_LSM_EARLY=y
CONFIG_SECURITY_YAMA=y
CONFIG_SECURITY_LANDLOCK=y
CONFIG_MODULES=y
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_ALL=y
CONFIG_MODULE_SIG_SHA512=y
CONFIG_RANDOMIZE_BASE=y
CONFIG_STRICT_KERNEL_RWX=y
CONFIG_STRICT_MODULE_RWX=y
CONFIG_STACKPROTECTOR_STRONG=y
CONFIG_HARDENED_USERCOPY=y
CONFIG_FORTIFY_SOURCE=y
CONFIG_VMAP_STACK=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_SECURITY_SELINUX_CHECKREQPROT_VALUE=0
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_UNPRIV_DEFAULT_OFF=y
CONFIG_SLAB_FREELIST_RANDOM=y
CONFIG_SLAB_FREELIST_HARDENED=y
CONFIG_MITIGATION_PAGE_TABLE_ISOLATION=y
CONFIG_STRICT_DEVMEM=y
CONFIG_LEGACY_VSYSCALL_XONLY=y
CONFIG_INITRAMFS_FORCE=y
CONFIG_BLK_DEV_DM=y
CONFIG_DM_INIT=y
CONFIG_DM_VERITY=y
CONFIG_EROFS_FS=y
CONFIG_BOOT_CONFIG=y
CONFIG_IKCONFIG_PROC=y
# CONFIG_DEVMEM is not set
# CONFIG_LEGACY_TIOCSTI is not set
# CONFIG_HIBERNATION is not set
# CONFIG_INIT_ON_ALLOC_DEFAULT_ON is not set
"""
SYSTEM_MAP = "ffffffff81000000 T _text\nffffffff81000000 T startup_64\nffffffff82000000 T _etext\n"
