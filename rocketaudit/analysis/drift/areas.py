"""The areas that changes are grouped by, and which one a fact belongs to."""

from __future__ import annotations

from rocketaudit.model.fact import Key

# folders that a node fills while it runs, by Bottlerocket's own documentation and mount units
RUN_TIME_FOLDERS = tuple(
    f"/{name}" for name in ("etc", "var", "run", "local", "tmp", "mnt", "media", "home", "root", "proc", "sys", "dev",
                            ".bottlerocket", "boot", "srv")
)  # fmt: skip
# what every boot lays over the protected root, as it is known without Bottlerocket's sysroot in front
LAYERS = ("/lib/modules", "/usr/lib/modules", "/usr/src/kernels", "/usr/share/licenses", "/usr/bin", "/usr/libexec",
          "/opt/cni", "/opt/csi")  # fmt: skip
_SYS_ROOT = "-bottlerocket-linux-gnu/sys-root"
# in the order in which a reader wants them
AREAS = (
    "identity", "integrity", "banks", "boot", "signed-texts", "partitions", "tuf-root", "trust-store",
    "kernel", "kernel-arguments", "modules", "lockdown", "selinux", "sysctls", "mounts", "units", "sockets",
    "users", "settings", "host-containers", "configuration", "packages", "binaries", "files", "licences",
    "updates", "rules", "score", "languages", "evidence",
)  # fmt: skip

_OF_NAMESPACE = {
    "os_release": "identity",
    "image_feature": "identity",
    "image_format": "identity",
    "kernel_arg": "kernel-arguments",
    "init_arg": "kernel-arguments",
    "kernel_command_line": "kernel-arguments",
    "kconfig": "kernel",
    "kernel_hmac": "kernel",
    "modprobe": "modules",
    "module": "modules",
    "sysctl": "sysctls",
    "unit": "units",
    "mount": "mounts",
    "cover": "mounts",
    "mounts": "mounts",
    "mounted_view": "mounts",
    "units": "units",
    "os": "identity",
    "update": "updates",
    "own_check": "rules",
    "dm": "integrity",
    "bootconfig": "boot",
    "secure_boot": "boot",
    "security_modules": "selinux",
    "fips": "kernel",
    "module_parameter": "modules",
    "user": "users",
    "users": "users",
    "setting": "settings",
    "settings_defaults": "settings",
    "settings": "settings",
    "made_file": "settings",
    "host_container": "host-containers",
    "listening": "sockets",
    "update_root": "tuf-root",
    "ca_bundle": "trust-store",
    "config": "configuration",
    "kubelet_drop_ins": "configuration",
    "kubelet_flag": "configuration",
    "iptables": "configuration",
    "ip6tables": "configuration",
    "inventory": "packages",
    "package": "packages",
    "vendor_sbom": "packages",
    "attribution": "licences",
    "attribution_problems": "licences",
}


def area_of(key: Key) -> str:
    """The area of a fact; a namespace that is not listed is an area of its own."""
    if key.namespace == "setting" and key.subject[:1] == ("host-containers",):
        return "host-containers"
    if key.namespace == "unit" and key.attribute in ("listens", "socket_mode"):
        return "sockets"
    return _OF_NAMESPACE.get(key.namespace, key.namespace)


def rank(area: str) -> int:
    """Where an area stands among the others; unknown ones come last."""
    return AREAS.index(area) if area in AREAS else len(AREAS)


def is_below_run_time_folder(path: str) -> bool:
    """Whether an absolute path is one of the folders that a running node fills, or below one."""
    return any(f"{path}/".startswith(f"{folder}/") for folder in RUN_TIME_FOLDERS)


def is_layer(path: str) -> bool:
    """Whether a path is one that every boot lays a layer over."""
    first, mark, rest = path.partition(_SYS_ROOT)
    return (rest if mark and "/" not in first.lstrip("/") else path) in LAYERS
