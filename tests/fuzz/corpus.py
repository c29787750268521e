"""The inputs that fuzzing starts from: `python -m tests.fuzz.corpus` makes tests/fuzz/corpus anew, from nothing else.

Everything in it is made by the real tools from trees and texts of our own, or by the builders of other tests.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

import lz4.frame
import zstandard
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rocketaudit.formats import jsf
from rocketaudit.formats.baseline_statement import BaselineStatement, dump_statement
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.formats.netfilter.netlink import message
from rocketaudit.formats.pe import parse_certificate_table, parse_pe, read_certificate_table
from rocketaudit.model import codec
from rocketaudit.model.reader import BytesReader
from tests.formats.erofs_builder import Builder
from tests.fuzz.targets import TARGETS
from tests.images.disk import VerityTree, grub_cfg
from tests.images.filesystems import EPOCH, fixed_uuid, run
from tests.images.pe import pe_file
from tests.images.signing import ca_bundle, key_of, signed_module, tuf_root
from tests.model.test_codec import sample
from tests.secure_boot import Identity, sbsign
from tests.source import disks
from tests.source.disks import Part
from tests.source.packed import make_ova

FOLDER = Path(__file__).with_name("corpus")
IDENTITY = fixed_uuid("fuzz")
GUIDS = [fixed_uuid(f"fuzz {number}") for number in range(8)]
Seeds = Iterator[tuple[str, bytes]]


def _tree(folder: Path) -> Path:
    """A few files of every kind, small."""
    root = folder / "tree"
    (root / "etc" / "deep").mkdir(parents=True)
    (root / "etc" / "os-release").write_text("ID=bottlerocket\n")
    (root / "etc" / "text").write_bytes(b"".join(b"line %d of a text\n" % n for n in range(500)))
    (root / "etc" / "noise").write_bytes(bytes(n * n * 7 >> 3 & 0xFF for n in range(5000)))
    (root / "etc" / "zeros").write_bytes(bytes(9001))
    (root / "etc" / "deep" / "one").write_bytes(b"1")
    (root / "link").symlink_to("etc/text")
    (root / "long").symlink_to("x/" * 100)
    (root / "a name of more than eleven letters").write_bytes(b"")
    os.link(root / "etc" / "text", root / "hard")
    os.mkfifo(root / "fifo")
    for number in range(30):
        (root / "etc" / "deep" / f"entry-{number}").write_bytes(b"")
    for path in sorted(root.rglob("*")):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    os.setxattr(root / "etc" / "os-release", "user.note", b"v" * 200)
    return root


def ext4(folder: Path) -> Seeds:
    tree = _tree(folder)
    for name, options in {
        "ext2": ("-t", "ext2"),
        "ext4": ("-t", "ext4", "-O", "^has_journal,metadata_csum,inline_data"),
        "old": (
            "-t",
            "ext4",
            "-O",
            "^has_journal,^extents,^64bit,^metadata_csum,meta_bg,^resize_inode,^flex_bg",
            "-I",
            "128",
        ),
        "wide": ("-t", "ext4", "-O", "^has_journal,64bit,bigalloc,ea_inode", "-C", "4096"),
    }.items():
        image = folder / f"{name}.img"
        extended = f"hash_seed={IDENTITY},lazy_itable_init=0,root_owner=0:0"
        command = ["mke2fs", "-q", "-F", *options, "-b", "1024", "-N", "64", "-U", IDENTITY, "-E", extended]
        run([*command, "-d", tree, image, "224"])
        yield name, image.read_bytes()


def erofs(folder: Path) -> Seeds:
    tree = _tree(folder)
    for name, options in {
        "plain": (),
        "lz4": ("-zlz4hc",),
        "legacy": ("-zlz4", "-Elegacy-compress"),
        "tail": ("-zlz4", "-C16384", "-Eztailpacking"),
        "chunk": ("--chunksize=4096",),
    }.items():
        image = folder / f"{name}.img"
        run(["mkfs.erofs", "--quiet", "-T", str(EPOCH), "-U", IDENTITY, "--all-root", *options, image, tree])
        yield name, image.read_bytes()
    from tests.formats import test_erofs_compression as newer
    from tests.fuzz.test_erofs_squashfs_long import newer_layouts

    yield "newer", newer_layouts().rstrip(b"\0")
    yield "records", _image_of(newer.test_extent_records_know_holes_fragments_and_plain_bytes)
    yield "metabox", _image_of(newer.test_inodes_in_the_metabox_are_read_even_when_it_is_compressed)
    yield "wide", _image_of(newer.test_48_bit_images_have_wide_blocks_a_wide_root_and_holes)


def _image_of(test: Callable[[], None]) -> bytes:
    """The image that a test builds."""
    made = []
    with patch.object(Builder, "image", autospec=True, side_effect=Builder.image) as image:
        original = image.side_effect
        image.side_effect = lambda builder: made.append(original(builder)) or made[-1]
        test()
    return made[0].rstrip(b"\0")


def squashfs(folder: Path) -> Seeds:
    tree = _tree(folder)
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    for name in ("gzip", "xz", "lz4", "zstd"):
        image = folder / f"{name}.img"
        times = ["-mkfs-time", str(EPOCH), "-all-time", str(EPOCH)]
        command = ["mksquashfs", tree, image, "-comp", name, "-noappend", "-all-root", "-nopad", "-quiet", *times]
        subprocess.run([*command, "-no-progress"], check=True, env=environment, capture_output=True)
        yield name, image.read_bytes()


def fat(folder: Path) -> Seeds:
    for bits, kib in ((12, 48), (16, 2200)):
        image = folder / f"fat{bits}.img"
        with image.open("wb") as file:
            file.truncate(kib << 10)
        run(["mkfs.vfat", "--invariant", "-F", str(bits), "-s", "1", "-f", "1", "-r", "16", image])
        run(["mmd", "-i", image, "-D", "s", "::/EFI"])
        (folder / "x").write_bytes(b"text " * 500)
        os.utime(folder / "x", (EPOCH, EPOCH))
        run(["mcopy", "-m", "-i", image, folder / "x", "::/EFI/a name of more than eleven letters"])
        yield f"fat{bits}", image.read_bytes().rstrip(b"\0")  # the end of the larger one is missing and empty


def gpt(folder: Path) -> Seeds:
    """A disk of 24 sectors: four entries of 128 bytes and both headers, as sfdisk lays them out."""
    path = folder / "disk"
    path.write_bytes(bytes(512 * 64))
    types = (disks.ROOT_X86, disks.ROOT_X86_HASH, disks.XBOOTLDR)
    lines = ["label: gpt", f"label-id: {IDENTITY}", "table-length: 4", "first-lba: 3", "last-lba: 60"]
    lines += [
        f'start={10 * n + 4}, size=8, type={kind}, uuid={GUIDS[n]}, name="part {n}"' for n, kind in enumerate(types)
    ]
    run(["sfdisk", "--quiet", "--no-tell-kernel", path], text="\n".join(lines) + "\n")
    yield "three", path.read_bytes()
    yield "primary only", path.read_bytes()[: 512 * 30]


def mbr(folder: Path) -> Seeds:
    path = folder / "disk"
    path.write_bytes(bytes(512 * 64))
    lines = "label: dos\nlabel-id: 0x1234\nstart=1,size=9,type=83\nstart=10,size=50,type=5\nstart=12,size=4,type=c\n"
    run(["sfdisk", "--quiet", "--no-tell-kernel", path], text=lines)
    yield "logical", path.read_bytes()


def _packed(folder: Path) -> Seeds:
    raw = folder / "raw"
    raw.write_bytes((b"some text " * 400 + bytes(range(96))) * 6 + bytes(1 << 17) + b"end\n")
    data = raw.read_bytes()
    yield "lz4", lz4.frame.compress(data, content_checksum=True, block_linked=False, store_size=False)
    yield "lz4 linked", lz4.frame.compress(data[:9000] + b"x", block_linked=True)
    yield "zst", zstandard.ZstdCompressor().compress(data)
    yield "xz", lzma.compress(data)
    yield "gz", gzip.compress(data, mtime=0)
    for name, options in {
        "qcow2": ("-O", "qcow2", "-o", "cluster_size=512"),
        "qcow2 compressed": ("-c", "-O", "qcow2", "-o", "cluster_size=4096,compat=0.10"),
        "qcow2 zstd": ("-c", "-O", "qcow2", "-o", "cluster_size=4096,compression_type=zstd"),
        "vmdk": ("-O", "vmdk", "-o", "subformat=streamOptimized"),
    }.items():
        packed = folder / name
        run(["qemu-img", "convert", "-f", "raw", *options, raw, packed])
        yield name, packed.read_bytes()
    make_ova(folder / "ova", folder / "vmdk")
    yield "ova", (folder / "ova").read_bytes()
    with tarfile.open(folder / "tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("ü" * 150)
        member.mtime = EPOCH
        archive.addfile(member)
    yield "tar", (folder / "tar").read_bytes().rstrip(b"\0") + bytes(1024)


def containers(folder: Path) -> Seeds:
    yield from _packed(folder)


def disk(folder: Path) -> Seeds:
    yield from _packed(folder)


def image(folder: Path) -> Seeds:
    """Whole disks small enough to change: a table, an ESP with boot files, a root."""
    run(["truncate", "-s", "48K", folder / "esp"])
    run(["mkfs.vfat", "--invariant", "-F", "12", "-s", "1", "-f", "1", "-r", "32", folder / "esp"])
    files = {"EFI/BOOT/BOOTX64.EFI": disks.uki(), "grub/grub.cfg": _grub(), "loader/entries/a.conf": _ENTRY}
    for name, data in files.items():
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            subprocess.run(["mmd", "-i", folder / "esp", "-D", "s", f"::/{'/'.join(parts[:depth])}"], check=False)
        (folder / "x").write_bytes(data)
        os.utime(folder / "x", (EPOCH, EPOCH))
        run(["mcopy", "-m", "-i", folder / "esp", folder / "x", f"::/{name}"])
    root = dict(erofs(folder))["lz4"]
    contents = [(folder / "esp").read_bytes(), root, b"{'rootHash'"]
    for name, types in {
        "bottlerocket": ("EFI-A", "ROOT", "HASH"),
        "discoverable": (disks.XBOOTLDR, disks.ROOT_X86, disks.ROOT_X86_HASH),
    }.items():
        parts = [Part(kind, data, guid=GUIDS[n]) for n, (kind, data) in enumerate(zip(types, contents, strict=True))]
        yield name, _small_disk(folder, parts)


def _small_disk(folder: Path, parts: list[Part]) -> bytes:
    """As disks.put_together, with partitions that need no whole MiB."""
    at, lines, places = 4, ["label: gpt", f"label-id: {IDENTITY}", "table-length: 4", "first-lba: 3"], []
    for part in parts:
        size = -(-len(part.content) // 512) + 1
        kind = disks.TYPES.get(part.type, part.type)
        lines.append(f"start={at}, size={size}, type={kind}, uuid={part.guid}")
        places.append(at * 512)
        at += size
    whole = bytearray(512 * (at + 4))
    (folder / "small").write_bytes(whole)
    run(["sfdisk", "--quiet", "--no-tell-kernel", folder / "small"], text="\n".join(lines) + "\n")
    whole[:] = (folder / "small").read_bytes()
    for place, part in zip(places, parts, strict=True):
        whole[place : place + len(part.content)] = part.content
    return bytes(whole)


def hash_tree(folder: Path) -> Seeds:
    for algorithm in ("sha256", "sha512"):
        data, hashes = folder / "data", folder / algorithm
        data.write_bytes(b"one block" + bytes(1024 - 9))
        sizes = ["--data-block-size", "512", "--hash-block-size", "512", "--hash", algorithm]
        run(["veritysetup", "format", *sizes, "--salt", "ab" * 32, "--uuid", IDENTITY, data, hashes])
        yield algorithm, data.read_bytes() + hashes.read_bytes()


_ENTRY = b"title Linux\nlinux /vmlinuz\ninitrd /initrd\noptions roothash=00 quiet\n"
_BOOTCONFIG = b'kernel { a = 1, "2" ; b }\ninit.c := x # y\ninit.c += z\n'


def _grub() -> bytes:
    return grub_cfg(VerityTree("ab" * 32, "cd" * 32, 10), pretty_name="x").encode()


def verity_table(_folder: Path) -> Seeds:
    yield "table", f'root=/dev/dm-0 dm-mod.create="{disks.TABLE}" -- quiet'.encode()
    yield "plain", disks.TABLE.encode()
    fec = " 4 ignore_zero_blocks use_fec_from_device PARTUUID=x fec_roots 2 fec_blocks 9 fec_start 9"
    yield "options", disks.TABLE.encode() + fec.encode()


def pe(_folder: Path) -> Seeds:
    yield "uki", disks.uki()
    yield "sbat", pe_file({".text": b"x", ".sbat": b"sbat,1,x\n", ".vendor_cert": bytes(16)})


def vmlinuz(_folder: Path) -> Seeds:
    from tests.formats.test_vmlinuz import KERNEL, bzimage, legacy_lz4

    for name, pack in (("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress), ("lz4", legacy_lz4)):
        yield name, bzimage(pack(KERNEL))


def netfilter(_folder: Path) -> Seeds:
    """What a kernel answered about rules of the real tools: tests/netfilter/recorded.json."""
    recorded = json.loads((Path(__file__).parent.parent / "netfilter/recorded.json").read_text())
    for number, name in enumerate(sorted(recorded)):
        one = recorded[name]["recorded"]
        for family, (head, data) in one["x_tables"].items():
            yield f"{number}-x-{family}", family[-1].encode() + b64decode(head) + b64decode(data)
        seen: dict[str, None] = {}
        for kind, _, _, bodies in one["nf_tables"]:
            seen.update(dict.fromkeys(f"{kind - 1} {body}" for body in bodies))
        order = sorted(seen, key=lambda text: ["0", "3", "9", "12", "6"].index(text.split()[0]))
        parts = [text.split() for text in order]
        if parts:
            sent = (message(2560 + int(kind), 0, 0, _padded(b64decode(body))) for kind, body in parts)
            yield f"{number}-nft", b"N" + b"".join(sent)


def _padded(body: bytes) -> bytes:
    return body + b"\0" * (-len(body) % 4)


def bootconfig(_folder: Path) -> Seeds:
    yield "text", _BOOTCONFIG
    size, total = len(_BOOTCONFIG).to_bytes(4, "little"), sum(_BOOTCONFIG).to_bytes(4, "little")
    yield "initrd", b"initrd" + _BOOTCONFIG + size + total + b"#BOOTCONFIG\n"


def grub(_folder: Path) -> Seeds:
    yield "generated", _grub()
    yield "words", b'set a="x $b"\nif [ -f /y ]; then\n menuentry "z" { linux /k $a; initrd /i }\nfi\nset default=0\n'


_TEXTS = (
    "/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde-1.0.228/src/lib.rs", "OCAMLRUNPARAM", "caml_startup",
    "/rustc/0123456789abcdef0123456789abcdef01234567/library/core/src/option.rs", "RUST_BACKTRACE", "GCC: (GNU) 12",
)  # fmt: skip
_PROGRAM = (
    f"const char *t[] = {{{', '.join(json.dumps(text) for text in _TEXTS)}}};"
    r"""
int f(int x) { return x * 2; } void _start(void) { f(1); }
__asm__(".section .go.buildinfo,\"aw\"; .balign 16; .ascii \"\\377 Go buildinf:\\010\\002\"; .zero 16;"
        ".ascii \"\\010go1.22.1\\012path\\tx/y\\n\\n\"; .previous");
"""
)
_DYNAMIC = (
    "#include <stdio.h>\n#include <string.h>\nvoid _start(void){char b[9];strcpy(b,stdin?(char*)stdin:0);puts(b);}\n"
)
_VIRTUAL = """
struct Shape { virtual int area() { return 0; } virtual int sides() { return 1; } };
struct Square : Shape { int s; int area() override { return s * s; } int sides() override { return 4; } };
extern "C" int total(Shape* a) { if (!a) throw 1; return a->area() * a->sides(); }
extern "C" void _start() { Square s; try { total(&s); } catch (int) {} }
"""


def elf(folder: Path) -> Seeds:
    (folder / "x.c").write_text(_PROGRAM)
    (folder / "dynamic.c").write_text(_DYNAMIC)
    (folder / "x.cc").write_text(_VIRTUAL)
    (folder / "y.c").write_text('const char *t[] = {"OCAMLRUNPARAM", "caml_startup"}; void _start(void) {}')
    for name, source, options in (
        ("static", "x.c", ("-nostdlib", "-static")),
        ("shared", "x.c", ("-nostdlib", "-shared", "-fPIC", "-Wl,-z,now")),
        ("object", "x.c", ("-c", "-g")),
        ("pie", "y.c", ("-nostdlib", "-pie", "-fPIE", "-Wl,-z,norelro", "-s")),
        ("dynamic", "dynamic.c", ("-nostartfiles", "-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all")),
        ("virtual", "x.cc", ("-nostartfiles", "-O0")),
        ("stripped", "x.cc", ("-nostartfiles", "-O1", "-s")),
    ):
        out = folder / name
        compiler = "g++" if source.endswith("cc") else "gcc"
        flags = [
            f"-ffile-prefix-map={folder}=.",
            f"-ffile-prefix-map={Path.cwd()}=.",
            "-O1",
            "-Wl,-z,max-page-size=512",
            "-Wl,--build-id=none",
            "-Wl,-z,noseparate-code",
        ]
        run([compiler, *flags, *options, "-o", out, folder / source])
        yield name, out.read_bytes()


def module(folder: Path) -> Seeds:
    data = dict(elf(folder))["object"]
    yield "signed", signed_module(data)
    yield "banner", data + b"Linux version 6.12.5 (x@y) #1\0"


def selinux(folder: Path) -> Seeds:
    run(["secilc", "-o", folder / "policy", "-f", "/dev/null", Path(__file__).parent.parent / "images" / "policy.cil"])
    yield "policy", (folder / "policy").read_bytes()[:1500]


def texts(_folder: Path) -> Seeds:
    samples = (
        b'ID=bottlerocket\nVERSION_ID="1.2"\n', _ENTRY, b'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n',
        b"kernel.x = 1\n-net.y=2\n", b"install x /bin/true\nblacklist y\noptions z a=1\n", b"a/b.ko.xz: c/d.ko.xz\n",
        b"kernel/fs/ext4.ko\n", b"[Unit]\nAfter=a \\\n b\n[Service]\nExecStart=/x\n", b"SPDX-License-Identifier: MIT\n",
        b"Copyright (c) 2024 A. Author <a@example.org>\nAll rights reserved.\n",
        b"vendor/serde-1.0.228", b"1:2.3-4.amzn2", b"MIT OR (Apache-2.0 WITH LLVM-exception)",
        b"{{#if settings.a}}{{#each settings.a as |b|}}{{b.c}}{{/each}}{{else}}{{default 1 settings.e}}{{/if}}",
        b'<Envelope><References><File ovf:href="a" ovf:id="f"/></References><Disk ovf:fileRef="f"/></Envelope>',
        b"SHA256(a)= " + b"0" * 64 + b"\n", b'# Disk DescriptorFile\ncreateType="monolithicFlat"\nRW 8 FLAT "a" 0\n',
        b"XFSB" + bytes(200), b"system_u:object_r:os_t:s0\0", bytes.fromhex("0100000200040000" + "00" * 12),
        b"sbat,1,x\nshim,4,y\n", b"v1.57.0-abcdef0",
        b"# x\nSELINUX=enforcing\nSELINUXTYPE=fortified\n", b"https://example.org:443/{name}?a=%20#{version}",
    )  # fmt: skip
    for number, text in enumerate(samples):
        yield f"{number:02}", bytes([number]) + text


def trust(folder: Path) -> Seeds:
    from tests.formats.test_update_manifest import manifest, update
    from tests.fuzz.test_trust_long import ENVELOPE, LISTS, STATEMENT

    signature = _signature(folder)
    alone = parse_certificate_table(signature)[0]
    bundle = ca_bundle(("one", "two"))
    statement = dump_statement(BaselineStatement("sha256:" + "ab" * 32, "n", "v", "1", "x86_64", "2026-01-01"))
    public = key_of("x").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    samples = {0: alone, 1: signature, 2: alone, 3: bundle, 7: tuf_root().encode(), 8: LISTS, 9: bytes(16) + LISTS}
    waves = {"0": "2026-01-01T00:00:00Z", "1024": "2026-01-02T00:00:00+01:00"}
    updates = manifest(update("1.0.0", waves=waves), update("1.1.0"), migrations={"(1.0.0, 1.1.0)": ["m"]})
    samples |= {10: ENVELOPE, 11: public, 12: STATEMENT, 13: statement, 14: bundle, 15: updates}
    samples[16] = json.dumps(jsf.sign_document({"bomFormat": "CycloneDX", "version": 1}, key_of("x"))).encode()
    samples[17] = json.dumps({"rootHash": "ab" * 32, "certificateFingerprint": "", "signature": "AAEC"}).encode()
    for number, data in samples.items():
        yield f"{number:02}", bytes([number]) + data
    yield from _openpgp()


def _signature(folder: Path) -> bytes:
    """The certificate table of a program that sbsign signed."""
    signed = sbsign(folder, pe_file({".text": b"x"}), Identity("signer"))
    return read_certificate_table(BytesReader(signed), parse_pe(BytesReader(signed)))


def _openpgp() -> Seeds:
    """A certificate and a signature of a fresh key."""
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--faked-system-time", f"{EPOCH}!"]
        run([*gpg, "--passphrase", "", "--quick-generate-key", "a@example.org", "ed25519", "sign", "never"])
        Path(home, "text").write_bytes(b"text")
        run([*gpg, "--detach-sign", "--armor", "-o", Path(home, "text.asc"), Path(home, "text")])
        run([*gpg, "--export", "-o", Path(home, "key"), "a@example.org"])
        key, signature = Path(home, "key").read_bytes(), Path(home, "text.asc").read_bytes()
    yield "04", b"\4" + key
    yield "05", b"\5" + signature
    yield "06", b"\6" + len(signature).to_bytes(2) + signature + key


def documents(_folder: Path) -> Seeds:
    from tests.formats.test_advisories import TOML
    from tests.formats.test_bundle import LINES, text
    from tests.formats.test_sbom_json import bom
    from tests.formats.test_vendor_sbom import SPDX

    check = {"name": "CIS", "results": {"br010101": {"id": "1.1.1", "title": "t", "status": "PASS"}}}
    rows = [{"Name": "glibc", "Version": "2.43", "Release": "1", "Architecture": "x86_64", "Epoch": "0"}]
    updates = b'<updates><update type="security"><id>A</id><severity>low</severity><issued date="2026-01-01"/></update>'
    evidence = dump_evidence(sample(2, 1))
    body = codec.canonical(codec.encode(sample(2, 1), full=True))
    policy = b'[[waivers]]\nrule = "a"\nreason = "b"\nexpires = 2027-01-01\napproved_by = "c"\n'
    samples = (
        text(*LINES), json.dumps(check).encode(), json.dumps({"Content": rows}).encode(), bom([{"name": "a"}]),
        json.dumps(SPDX).encode(), updates + b"</updates>", TOML, policy, b"a: [1, {b: c}]\nd: 'x'\n", b"a: &b 1\n",
        evidence, body, evidence,
        b"Metadata-Version: 2.1\nName: a\nVersion: 1\nClassifier: License :: OSI Approved :: MIT License\n\nText\n",
        b'{"name": "@a/b", "version": "1.0.0", "licenses": [{"type": "MIT"}]}', _jar(),
    )  # fmt: skip
    for number, data in enumerate(samples):
        yield f"{number:02}", bytes([number]) + data


def _jar() -> bytes:
    """An archive that states a package, in a manifest and by Maven, with another archive inside."""
    packed = b""
    for name, version in (("inner", b"2"), ("outer", b"1")):
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                members = {
                    "META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\r\nImplementation-Title: a\r\n",
                    f"META-INF/maven/g/{name}/pom.properties": b"groupId=g\nartifactId=a\nversion=" + version,
                } | ({"lib/inner-2.jar": packed} if packed else {})
                for member, data in members.items():
                    archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data)
            packed = file.getvalue()
    return packed


MAKERS: Mapping[str, Callable[[Path], Seeds]] = {
    "ext4": ext4, "erofs": erofs, "squashfs": squashfs, "fat": fat, "gpt": gpt, "mbr": mbr, "containers": containers,
    "disk": disk, "image": image, "verity": hash_tree, "verity-table": verity_table, "pe": pe, "vmlinuz": vmlinuz,
    "bootconfig": bootconfig, "grub-cfg": grub, "elf": elf, "module": module, "selinux": selinux, "texts": texts,
    "trust": trust, "documents": documents, "netfilter": netfilter,
}  # fmt: skip


def main() -> None:
    for target in TARGETS:
        folder = FOLDER / target.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as scratch:
            for name, data in MAKERS[target.name](Path(scratch)):
                assert len(data) <= target.size, (target.name, name, len(data))
                (folder / name.replace(" ", "-")).write_bytes(data)
                for path in Path(scratch).iterdir():  # each maker may use the names again
                    if path.name == "tree" and target.name == "image":
                        shutil.rmtree(path)


if __name__ == "__main__":
    main()
