"""The containers of a node as specifications for runc: what host-ctr and containerd ask for, and our own DaemonSet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# containerd's defaults (oci/spec.go): 14 capabilities, masked paths, paths that may only be read
_DEFAULT_POWERS = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE"
)
_OTHER_POWERS = (
    "DAC_READ_SEARCH LINUX_IMMUTABLE NET_BROADCAST IPC_LOCK IPC_OWNER SYS_RAWIO SYS_PTRACE SYS_PACCT SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG LEASE MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)
_MASKED = "acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi"
_READ_ONLY = "bus fs irq sys sysrq-trigger"
CONTAINERD = tuple(_DEFAULT_POWERS.split())
BOOTSTRAP = (*CONTAINERD, "SYS_ADMIN", "NET_ADMIN", "SYS_MODULE", "AUDIT_CONTROL")
ALL = (*BOOTSTRAP, *_OTHER_POWERS.split())
MASKED = [f"/proc/{name}" for name in _MASKED.split()]
READ_ONLY = [f"/proc/{name}" for name in _READ_ONLY.split()]
PROBE = ("/mnt/lib/ld-linux-x86-64.so.2", "--library-path", "/mnt/lib", "/mnt/py/bin/python3", "/mnt/audit/probe.py")


def specification(shape: str, arguments: Sequence[str], environment: Sequence[str] = ()) -> str:
    """config.json of an OCI bundle for `shape`; its root is a folder beside it."""
    raw = _MAKERS[shape]()
    raw["process"]["args"] = list(arguments)
    raw["process"]["env"] = [
        *(
            "PATH=/bin",
            "PYTHONHOME=/mnt/py",
            "PYTHONPATH=/mnt/audit:/mnt/py/packages",
            "PYTHONDONTWRITEBYTECODE=1",
            "LC_ALL=C.UTF-8",
        ),
        *environment,
        *(["KUBERNETES_SERVICE_HOST=::1"] if "/host" in [one["destination"] for one in raw["mounts"]] else []),
    ]
    return json.dumps(raw)


def configurations() -> dict[str, str]:
    """config.json of every container that the lab node runs, by file name; each leaves what it saw in /out."""
    made = {
        f"{shape}.config": specification(shape, (*PROBE, "/mnt/audit/keys.json", f"/out/{shape}.json"))
        for shape in _MAKERS
    }
    collector = ("/mnt/bin/busybox", "sh", "/mnt/audit/collect.sh", "--nonce", "lab-1")
    made["collector.config"] = specification("control", collector)
    reads = "/mnt/bin/busybox awk '{ print $1, $3 }' /sys/block/dm-0/stat"
    probe = " ".join((*PROBE, "/mnt/audit/keys.json", "/out/resident.json"))
    script = f"{reads} >/out/before; {probe}; {reads} >/out/after"
    made["resident.config"] = specification("resident", ("/mnt/bin/busybox", "sh", "-c", script), ("DIGESTS=yes",))
    return made


def _mount(kind: str, point: str, *options: str, source: str = "") -> dict[str, Any]:
    return {"destination": point, "type": kind, "source": source or kind, "options": list(options)}


def _bind(source: str, point: str, *options: str) -> dict[str, Any]:
    return _mount("bind", point, "rbind", *(options or ("ro",)), source=source)


def _specification(namespaces: Sequence[str], capabilities: Sequence[str], *, privileges: bool) -> dict[str, Any]:
    """What all have: their own mounts and system, the lab's programs, the place for results."""
    sets = ["CAP_" + name for name in capabilities]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), sets),
            "noNewPrivileges": not privileges,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            _mount("proc", "/proc"),
            _mount("tmpfs", "/dev", "nosuid", "strictatime", "mode=755"),
            _mount("tmpfs", "/tmp", "nosuid", "nodev"),
            _mount("sysfs", "/sys", "nosuid", "noexec", "nodev", "ro"),
            _mount("cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
            _bind("/mnt", "/mnt"),
            _bind("/run/out", "/out", "rw"),
            _bind("/local/bin", "/bin"),
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("mount", "ipc", "uts", *namespaces)],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    }


def _own_folder(raw: dict[str, Any], name: str, kind: str) -> None:
    raw["mounts"].append(_bind("/local/own", f"/.bottlerocket/{kind}-containers/{name}", "rw"))


def _control() -> dict[str, Any]:
    raw = _specification(("pid",), CONTAINERD, privileges=False)
    _own_folder(raw, "control", "host")
    return raw


def _with_devices(raw: dict[str, Any]) -> dict[str, Any]:
    """As superpowered and bootstrap containers: the host's root, read-only, and all of its devices."""
    raw["mounts"].append(_bind("/", "/.bottlerocket/rootfs"))
    raw["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    return raw


def _superpowered() -> dict[str, Any]:
    raw = _with_devices(_specification((), ALL, privileges=True))
    raw["linux"]["maskedPaths"] = raw["linux"]["readonlyPaths"] = []
    _own_folder(raw, "audit", "host")
    return raw


def _bootstrap() -> dict[str, Any]:
    raw = _with_devices(_specification((), BOOTSTRAP, privileges=False))
    _own_folder(raw, "verify", "bootstrap")
    return raw


def _pod() -> dict[str, Any]:
    """deploy/kubernetes/base: no capability, the host's network, its root by hostPath."""
    raw = _specification(("pid", "cgroup"), (), privileges=False)
    raw["mounts"].append(_bind("/", "/host", "ro", "rslave"))
    raw["linux"]["maskedPaths"] = [*MASKED, "/sys/firmware"]
    return raw


def _privileged_pod() -> dict[str, Any]:
    """deploy/kubernetes/verify: containerd gives it every capability and device, and masks nothing."""
    raw = _specification((), ALL, privileges=True)
    raw["mounts"].append(_bind("/", "/host", "ro", "rslave"))
    raw["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    raw["linux"]["maskedPaths"] = raw["linux"]["readonlyPaths"] = []
    return raw


def _resident() -> dict[str, Any]:
    """No device, but the host's processes and the rights to look at them: what they use can be read, the disk not."""
    raw = _specification((), ALL, privileges=True)
    raw["mounts"].append(_bind("/", "/host", "ro", "rslave"))
    return raw


_MAKERS = {
    "control": _control,
    "superpowered": _superpowered,
    "bootstrap": _bootstrap,
    "pod": _pod,
    "privileged": _privileged_pod,
    "resident": _resident,
}
