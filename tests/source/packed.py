"""Small disks packed by the real tools."""

from __future__ import annotations

import hashlib
import random
import subprocess
import tarfile
from pathlib import Path

from tests.support import find_tool, needs_tools

MIB = 1 << 20


def run(*command: str | Path) -> str:
    """Run a tool that must exist and must succeed."""
    name, *rest = map(str, command)
    needs_tools(name)
    tool = find_tool(name)
    assert tool
    return subprocess.run([tool, *rest], check=True, capture_output=True, text=True).stdout


def make_disk(path: Path, *, mib: int = 24) -> bytes:
    """A disk of noise, text and holes: pieces that compress, pieces that do not, zeros at both ends."""
    rng = random.Random(7)
    data = bytearray(mib * MIB)
    data[3 * MIB : 5 * MIB] = rng.randbytes(2 * MIB)
    data[9 * MIB : 10 * MIB] = b"The quick brown fox. " * (MIB // 21) + bytes(MIB % 21)
    data[13 * MIB + 5 : 13 * MIB + 9] = b"lone"
    data[(mib - 3) * MIB : (mib - 2) * MIB] = rng.randbytes(MIB)
    path.write_bytes(data)
    return bytes(data)


def make_ova(
    path: Path,
    vmdk: Path,
    *,
    algorithm: str = "sha256",
    wrong: bool = False,
    lies: int = 0,
    style: int = tarfile.USTAR_FORMAT,
) -> None:
    """An OVA with descriptor, manifest, the disk and a second one that the descriptor lists after it."""
    ovf = path.with_suffix(".ovf")
    ovf.write_text(
        '<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>'
        '<File ovf:href="other.vmdk" ovf:id="file2"/><File ovf:id="file1" ovf:href="disk.vmdk" ovf:size="1"/>'
        "</References><DiskSection><Disk ovf:diskId='d1' ovf:fileRef='file1'/><Disk ovf:fileRef='file2'/></DiskSection>"
        "</Envelope>"
    )
    other = path.with_suffix(".other")
    other.write_bytes(b"not a disk")
    members = [(ovf, "x.ovf"), (other, "other.vmdk"), (vmdk, "disk.vmdk")]
    lines = []
    for file, name in members:
        digest = hashlib.new(algorithm, file.read_bytes()).hexdigest()
        if wrong and name == "disk.vmdk":
            digest = "0" * len(digest)
        lines.append(f"{algorithm.upper()}({name})= {digest}\n")
    lines += [f"SHA1(disk.vmdk)= {number:040x}\n" for number in range(lies)]
    manifest = path.with_suffix(".mf")
    manifest.write_text("".join(lines))
    with tarfile.open(path, "w", format=style) as archive:
        for file, name in [members[0], (manifest, "x.mf"), *members[1:]]:
            archive.add(file, name)
