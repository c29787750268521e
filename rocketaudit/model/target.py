"""What was looked at, and by whom."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass


class TargetKind(StrEnum):
    IMAGE = "image"
    DIRECTORY = "directory"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Target:
    """Identity of what was scanned; "" and None mean that the target does not state it.

    `digest` is "sha256:<hex>" of the input file as given (before expansion), None when it was not computed.
    `container` is raw, lz4, zst, gz, xz, qcow2, vmdk, ova, directory or node.
    """

    name: str
    kind: TargetKind
    container: str = ""
    size: int | None = None
    digest: str | None = None
    os_id: str = ""
    os_name: str = ""
    variant: str = ""
    version: str = ""
    build: str = ""
    arch: str = ""
    layout: str = ""
    boot_id: str | None = None
    kernel_version: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    version: str
