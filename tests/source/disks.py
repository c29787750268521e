"""Small partitioned disks put together from parts, for layouts that the big recipes do not make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.images.disk import TYPES
from tests.images.filesystems import make_erofs, make_fat
from tests.images.filesystems import run as run_fixed
from tests.images.pe import pe_file
from tests.images.tree import Tree

MIB = 1 << 20
XBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ROOT_X86 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
ROOT_X86_HASH = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"
ROOT_X86_SIGNATURE = "41092b05-9fc8-4523-994f-2def0408b176"
USR_ARM = "b0e01050-ee5f-4390-949a-9101b17104e9"
USR_ARM_HASH = "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e"
TABLE = "root,,,ro,0 8 verity 1 PARTUUID=x/PARTNROFF=1 PARTUUID=x/PARTNROFF=2 4096 4096 1 1 sha256 aa bb"


@dataclass(frozen=True, slots=True)
class Part:
    """One partition: a key of tests.images.disk.TYPES or a type GUID, and what is in it."""

    type: str
    content: bytes = b""
    name: str = ""
    attributes: tuple[int, ...] = ()
    guid: str = ""


def put_together(path: Path, *parts: Part) -> Path:
    """A disk of these partitions, each as large as its content needs and at least 1 MiB."""
    at = 1
    lines = ["label: gpt"]
    places = []
    for part in parts:
        size = max(1, -(-len(part.content) // MIB))
        bits = f'attrs="GUID:{",".join(map(str, part.attributes))}"' if part.attributes else ""
        identity = f"uuid={part.guid}" if part.guid else ""
        name = f'name="{part.name}"' if part.name else ""
        fields = (
            f"start={at * 2048}",
            f"size={size * 2048}",
            f"type={TYPES.get(part.type, part.type)}",
            identity,
            name,
            bits,
        )
        lines.append(", ".join(field for field in fields if field))
        places.append(at * MIB)
        at += size
    with path.open("wb") as file:
        file.truncate((at + 1) * MIB)
    # not sgdisk: it waits a second after every table that it writes
    run_fixed(["sfdisk", "--quiet", path], text="\n".join(lines) + "\n")
    with path.open("r+b") as file:
        for place, part in zip(places, parts, strict=True):
            file.seek(place)
            file.write(part.content)
    return path


def erofs(folder: Path, **files: str) -> bytes:
    """A small EROFS root; names are paths with `__` for a slash."""
    tree = Tree()
    tree.directory("/etc")
    tree.file("/etc/os-release", "ID=testos\nVERSION_ID=1.2\n")
    for name, text in files.items():
        tree.file("/" + name.replace("__", "/"), text)
    make_erofs(tree, folder / "root.img", name="root", arguments=())
    return (folder / "root.img").read_bytes()


def esp(folder: Path, files: dict[str, bytes]) -> bytes:
    """A FAT file system with these files."""
    make_fat(files, folder / "esp.img", mib=4)
    return (folder / "esp.img").read_bytes()


def uki(command_line: str = f'root=/dev/dm-0 dm-mod.create="{TABLE}" -- quiet') -> bytes:
    """A unified kernel image without a real kernel."""
    return pe_file(
        {
            ".osrel": b'PRETTY_NAME="Test OS 1.2"\n',
            ".uname": b"6.12.5\n",
            ".cmdline": command_line.encode() + b"\n\0",
            ".linux": b"kernel",
        }
    )


def hash_device(folder: Path, data: bytes) -> bytes:
    """The hash tree that veritysetup makes for some data."""
    (folder / "data.img").write_bytes(data)
    said = run_fixed(["veritysetup", "format", folder / "data.img", folder / "hash.img"])
    (folder / "roothash").write_text(said.split("Root hash:")[1].split()[0])
    return (folder / "hash.img").read_bytes()
