"""What the lab node runs from: a Debian kernel, an initramfs, and a disk with Python, its packages and our own code."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from tests.images.cache import locked
from tests.support import CACHE, REPO, find_tool

KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "dm-mod", "dm-verity", "erofs")
FIREWALL_MODULES = ("nf_tables", "nft_ct")  # what the rules of tests/netfilter need of the kernel
TOOLS = ("dmsetup", "veritysetup", "jq", "runc", "nft")
NEEDED = ("qemu-system-x86_64", "busybox", "mke2fs", "apt-get", "apt-cache", "dpkg-deb", *TOOLS)
_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "pydoc_data", "site-packages")
HERE = Path(__file__).parent
FOLDER = CACHE / "lab"
A_DAY = 86_400


def run(*command: object, **options: object) -> str:
    """What a program prints; CalledProcessError with its errors when it fails."""
    words = [find_tool(str(command[0])) or str(command[0]), *(str(word) for word in command[1:])]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return str(done.stdout)


def kernel_tree() -> Path:
    """The unpacked kernel package, fetched once; RuntimeError when it cannot be."""
    name = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", KERNEL_PACKAGE))
    if name is None:
        raise RuntimeError(f"apt knows no {KERNEL_PACKAGE}")
    tree = FOLDER / name[1]
    with locked(FOLDER / "kernel.lock"):
        if not tree.exists():
            run("apt-get", "-q", "download", name[1], cwd=FOLDER)
            package = next(FOLDER.glob(f"{name[1]}_*.deb"))
            part = tree.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            run("dpkg-deb", "-x", package, part)
            package.unlink()
            part.rename(tree)
    return tree


def module_files(tree: Path, more: Iterable[str] = ()) -> list[Path]:
    """The files of MODULES, of `more`, and of what they need, in the order in which they load."""
    base = next((tree / "lib/modules").iterdir())
    known = {path.name.split(".ko")[0].replace("-", "_"): path for path in base.rglob("*.ko")}
    found: list[Path] = []

    def visit(name: str) -> None:
        path = known.get(name.replace("-", "_"))
        if path is None or path in found:  # built in, or seen
            return
        needs = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in (needs[1].decode() if needs else "").split(","):
            if other:
                visit(other)
        found.append(path)

    for name in (*MODULES, *more):
        visit(name)
    return found


def module_file(tree: Path, name: str) -> bytes:
    """One module of the kernel, to be loaded while a node runs."""
    return next((tree / "lib/modules").rglob(f"{name}.ko")).read_bytes()


def make_initramfs(tree: Path, out: Path) -> Path:
    """A newc archive with busybox, dmsetup, the modules and our first script."""
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o755, (HERE / "init.sh").read_bytes()),
        "bin/busybox": (0o755, Path(find_tool("busybox") or "").read_bytes()),
    }
    files |= {f"sbin/{Path(tool).name}": (0o755, Path(tool).read_bytes()) for tool in [find_tool("dmsetup") or ""]}
    for library in libraries([find_tool("dmsetup") or ""]):
        files[f"lib/{library.name}"] = (0o755, library.read_bytes())
    modules = module_files(tree)
    for number, path in enumerate(modules):
        files[f"modules/{number:02}-{path.name}"] = (0o644, path.read_bytes())
    out.write_bytes(newc(files))
    return out


def newc(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Documentation/driver-api/early-userspace/buffer-format.rst."""
    out = io.BytesIO()

    def emit(number: int, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."} | {"dev"}
    number = 0
    for number, folder in enumerate(sorted(folders), 1):
        emit(number, folder, stat.S_IFDIR | 0o755)
    emit(number + 1, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for place, (name, (mode, data)) in enumerate(sorted(files.items()), number + 2):
        emit(place, name, stat.S_IFREG | mode, data)
    emit(0, "TRAILER!!!", 0)
    return out.getvalue()


def libraries(programs: Iterable[str | Path]) -> set[Path]:
    """The shared libraries that programs load, and the loader."""
    found: set[Path] = set()
    for program in programs:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
        found |= {Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)}
    return found


def tools_disk() -> Path:
    """An ext4 image with busybox, the tools to compare with, Python and the packages that we need; built once."""
    names = sorted(closure("rocketaudit") - {"rocketaudit"})
    versions = [f"{name} {metadata.version(name)}" for name in names]
    seed = [sys.version, *versions, (HERE / "guest.py").read_text(), (HERE / "node.sh").read_text()]
    out = FOLDER / f"tools-{hashlib.sha256('|'.join(seed).encode()).hexdigest()[:16]}.img"
    with locked(FOLDER / "tools.lock"):
        if not out.exists():
            for old in FOLDER.glob("tools-*.img"):
                if time.time() - old.stat().st_mtime > A_DAY:  # another checkout may be booting from a younger one
                    old.unlink()
            stage = FOLDER / "stage"
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(parents=True)
            _stage_tools(stage, names)
            make_disk(stage, out)
            shutil.rmtree(stage)
    return out


def _stage_tools(stage: Path, names: list[str]) -> None:
    for folder in ("bin", "lib", "audit", "py/bin"):
        (stage / folder).mkdir(parents=True)
    programs = [Path(find_tool(tool) or "") for tool in TOOLS]
    for program in (*programs, Path(find_tool("busybox") or "")):
        shutil.copy2(program, stage / "bin" / program.name)
    shutil.copy2(HERE / "node.sh", stage / "init")
    (stage / "init").chmod(0o755)
    python = Path(sys.executable).resolve()
    shutil.copy2(python, stage / "py/bin/python3")
    standard = Path(sysconfig.get_path("stdlib"))
    kept = stage / "py/lib" / standard.name
    shutil.copytree(standard, kept, ignore=shutil.ignore_patterns(*_LEFT_OUT, "__pycache__", "*.a", "config-*"))
    packages = stage / "py/packages"  # Debian's Python looks in dist-packages, others in site-packages
    for name in names:
        _stage_package(name, packages)
    loaded = [*programs, python, *kept.rglob("*.so"), *packages.rglob("*.so")]
    for library in libraries(loaded):
        if not library.is_relative_to(stage):
            shutil.copy2(library, stage / "lib" / library.name)
    command = [
        "-m",
        "compileall",
        "-q",
        "-j",
        "2",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        stage,
        kept,
        packages,
    ]
    subprocess.run([sys.executable, *map(str, command)], check=False, stdout=subprocess.DEVNULL)


def _stage_package(name: str, into: Path) -> None:
    for file in metadata.files(name) or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or not source.is_file() or "__pycache__" in file.parts:
            continue
        place = into / str(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place)


def closure(name: str) -> set[str]:
    """A package and everything that it requires, without extras, as far as it is installed."""
    found: set[str] = set()
    pending = [name]
    while pending:
        one = pending.pop()
        plain = re.sub(r"[-_.]+", "-", one).lower()
        if plain in found:
            continue
        try:
            needs = metadata.requires(one) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(plain)
        pending += [match[0] for need in needs if "extra ==" not in need and (match := re.match(r"[\w.-]+", need))]
    return found


def audit_disk(out: Path, texts: Mapping[str, str | bytes]) -> Path:
    """Our own code as it is now, and texts such as the script of this boot."""
    stage = out.with_suffix(".stage")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    for name, text in texts.items():
        (stage / name).write_bytes(text.encode() if isinstance(text, str) else text)
    for folder in ("rocketaudit", "benchmarks", "reports", "sbom"):
        shutil.copytree(REPO / folder, stage / folder, ignore=shutil.ignore_patterns("__pycache__", "examples"))
    (stage / "rocketaudit/demo/demo.img.lz4").unlink()
    shutil.copy2(REPO / "pyproject.toml", stage)
    command = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", stage, stage / "rocketaudit"]
    subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    make_disk(stage, out)
    shutil.rmtree(stage)
    return out


def make_disk(folder: Path, out: Path) -> None:
    """An ext4 image without journal that just holds a folder."""
    size = sum(path.lstat().st_size + 4096 for path in folder.rglob("*")) * 5 // 4 + (8 << 20)
    part = out.with_suffix(".part")
    part.unlink(missing_ok=True)
    run(
        "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", folder, "-E", "root_owner=0:0", part, f"{size >> 10}k"
    )
    part.rename(out)
