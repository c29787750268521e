"""What is fuzzed: for every format a function that takes any bytes and may only return or raise one error of ours."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import xxhash

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.formats import (
    advisory_toml,
    apiclient_report,
    attribution,
    authenticode,
    baseline_statement,
    bootconfig,
    bundle,
    ca_bundle,
    copyright_notice,
    dm_verity_table,
    dsse,
    efi_signature,
    evidence_file,
    evidence_pair,
    gpt,
    grub_cfg,
    handlebars,
    inventory,
    jsf,
    kernel_arguments,
    kernel_config,
    key_value,
    loader_entry,
    mbr,
    modprobe_conf,
    modules_dep,
    openpgp,
    openpgp_certificate,
    pe,
    pkcs7,
    policy_toml,
    recognise,
    release_version,
    rpm_version,
    sbom_json,
    selinux_config,
    selinux_policy,
    signed_image,
    spdx_expression,
    stated_package,
    statement_value,
    strict_yaml,
    sysctl_conf,
    systemd_unit,
    tuf,
    uki,
    update_manifest,
    updateinfo,
    vendor_sbom,
    verity,
    verity_judge,
    verity_manifest,
    verity_signature,
    verity_tree,
    vmlinuz,
    x509_path,
    xattr,
)
from rocketaudit.formats.containers import lz4_frame, ova, qcow2, sniff, tar_members, vmdk, zstd_frame
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.kernel_image import read_kernel_image
from rocketaudit.formats.elf.kernel_module import module_signature
from rocketaudit.formats.erofs import open_erofs
from rocketaudit.formats.ext4 import open_ext4
from rocketaudit.formats.fat import open_fat
from rocketaudit.formats.netfilter import netlink, nf_tables, x_tables
from rocketaudit.formats.netfilter.nft_sets import FilterSet
from rocketaudit.formats.squashfs import open_squashfs
from rocketaudit.model import codec
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.reader import BytesReader
from rocketaudit.source.disk import open_disk
from rocketaudit.source.image import open_image
from tests.formats.tree_checks import Opener, exercise
from tests.images.signing import key_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = datetime(2040, 1, 1, tzinfo=UTC)  # than the corpus was signed
PUBLIC = key_of("x").public_key()
MOST_BYTES = 1 << 24  # that one input may make a reader produce


@dataclass(frozen=True, slots=True)
class Target:
    """`run` gets any bytes; `size` bounds how long inputs grow."""

    name: str
    run: Callable[[bytes], object]
    size: int = 4096


def _budget() -> Budget:
    return Budget(max_bytes=MOST_BYTES, max_entries=50_000, max_seconds=30)


def _tree(opener: Opener) -> Callable[[bytes], object]:
    return lambda data: exercise(data, opener, max_bytes=MOST_BYTES)


def _gpt(data: bytes) -> None:
    gpt.looks_like_gpt(BytesReader(data))
    with suppress(FormatError):
        gpt.read_gpt(BytesReader(data))
    gpt.read_gpt(BytesReader(seal_gpt(data)))


def seal_gpt(data: bytes) -> bytes:
    """The same table with checksums that hold, so that what lies behind them is reached."""
    disk = bytearray(data)
    for at in (512, len(data) // 512 * 512 - 512):
        if at < 0 or len(disk) < at + 92 or disk[at : at + 8] != b"EFI PART":
            continue
        first, count, width = struct.unpack_from("<QII", disk, at + 72)
        if count * width <= len(disk):
            entries = disk[first * 512 : first * 512 + count * width]
            struct.pack_into("<I", disk, at + 88, zlib.crc32(entries))
        size = int.from_bytes(disk[at + 12 : at + 16], "little")
        struct.pack_into("<I", disk, at + 16, 0)
        struct.pack_into("<I", disk, at + 16, zlib.crc32(disk[at : at + min(size, 4096)]))
    return bytes(disk)


def seal_lz4(data: bytes) -> bytes:
    """The same bytes; the header of an LZ4 frame that they start with gets a checksum that holds."""
    if len(data) < 7 or data[:4] != b"\x04\x22\x4d\x18":
        return data
    end = 6 + (8 if data[4] & 8 else 0)
    check = xxhash.xxh32_intdigest(data[4:end]) >> 8 & 0xFF
    return data[:end] + bytes((check,)) + data[end + 1 :]


def _verity(data: bytes) -> None:
    """The first 1024 bytes are data, what follows is a hash device with its superblock; any root hash will do."""
    blocks, hashes = BytesReader(data[:1024]), BytesReader(data[1024:])
    superblock = verity.parse_superblock(bytes(hashes.read(0, min(512, hashes.size))))
    layout = verity.layout_of(superblock.parameters("ab" * new_hash_size(superblock.algorithm)))
    verity_judge.find_slack(hashes, 0, hashes.size, "x")
    layout.check_sizes(blocks.size, hashes.size)
    if not layout.levels:
        verity_judge.check_one_block(blocks, layout)
        return
    judge = verity_judge.TreeCheckBuilder(layout, hashes)
    judge.add(verity_tree.check_range(blocks, hashes, layout, 0, 1))
    judge.finish()


def new_hash_size(algorithm: str) -> int:
    return verity.new_hash(algorithm).digest_size


def _table(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for table in (text, *dm_verity_table.find_tables(text)):
        with suppress(FormatError):
            dm_verity_table.parse_table(table)
    kernel_arguments.parse_kernel_arguments(text)


def _pe(data: bytes) -> None:
    reader = BytesReader(data)
    image = pe.parse_pe(reader)
    for section in image.sections[:32]:
        with suppress(FormatError):
            pe.read_section(reader, section)
    with suppress(FormatError):
        pe.parse_certificate_table(pe.read_certificate_table(reader, image))
    with suppress(FormatError):
        signed_image.read_signed_image(reader, "x")
    uki.parse_uki(reader)


def _vmlinuz(data: bytes) -> None:
    kernel = vmlinuz.parse_vmlinuz(BytesReader(data))
    unpacked = vmlinuz.unpack_kernel(BytesReader(data), kernel)
    vmlinuz.banner_release(unpacked)
    config = vmlinuz.embedded_config(unpacked)
    if config is not None:
        kernel_config.parse_kernel_config(config)


def _bootconfig(data: bytes) -> None:
    with suppress(FormatError):
        bootconfig.parse_bootconfig(bootconfig.extract_bootconfig(data) or b"")
    bootconfig.parse_bootconfig(data)


def _texts(data: bytes) -> None:
    """Small formats of one call each; the first byte chooses."""
    calls: tuple[Callable[[bytes], object], ...] = (
        key_value.parse_key_values,
        loader_entry.parse_loader_entry,
        kernel_config.parse_kernel_config,
        sysctl_conf.parse_sysctl_conf,
        modprobe_conf.parse_modprobe_conf,
        modules_dep.parse_modules_dep,
        modules_dep.parse_modules_builtin,
        systemd_unit.parse_unit,
        attribution.parse_attribution,
        copyright_notice.parse_copyright,
        lambda raw: attribution.parse_carried(raw.decode("utf-8", "replace")),
        lambda raw: rpm_version.parse_evr(raw.decode("utf-8", "replace")),
        lambda raw: spdx_expression.is_expression(raw.decode("utf-8", "replace")),
        lambda raw: handlebars.render(raw, {"settings": {"a": [1, {"b": "c"}], "d": True}}, assume=True),
        ova.disks_of,
        ova.parse_manifest,
        vmdk.parse_descriptor,
        recognise.name_foreign,
        xattr.decode_label,
        xattr.decode_capability,
        efi_signature.parse_sbat,
        lambda raw: release_version.release_numbers(raw.decode("utf-8", "replace")),
        selinux_config.parse_selinux_config,
        lambda raw: statement_value.expected_instead("creator", raw.decode("utf-8", "replace")),
    )
    if data:
        calls[data[0] % len(calls)](data[1:])


def _module(data: bytes) -> None:
    with suppress(FormatError):
        read_kernel_image(data)
    module_signature(data)


def _trust(data: bytes) -> None:
    """Signed things of one call each; the first byte chooses."""
    calls: tuple[Callable[[bytes], object], ...] = (
        authenticode.parse_signed_data,
        lambda raw: authenticode.check_signatures(raw, {"sha256": "00" * 32}, (), as_of=NOW),
        lambda raw: pkcs7.verify_detached(raw, b"x", (), NOW),
        x509_path.load_anchor_certificates,
        openpgp_certificate.parse_certificates,
        openpgp.parse_signatures,
        _openpgp,
        lambda raw: tuf.TrustedSet(raw, NOW),
        efi_signature.parse_signature_database,
        efi_signature.parse_vendor_certificates,
        dsse.parse_envelope,
        dsse.load_public_key,
        verity_manifest.parse_manifest,
        baseline_statement.parse_statement,
        ca_bundle.parse_ca_bundle,
        update_manifest.parse_update_manifest,
        _inside_json,
        lambda raw: verity_signature.read_verity_signature(BytesReader(raw)),
    )
    if data:
        calls[data[0] % len(calls)](data[1:])


def _inside_json(data: bytes) -> None:
    document = codec.parse(data)
    if isinstance(document, dict):
        jsf.verify_document(document, (PUBLIC,))


def _openpgp(data: bytes) -> None:
    """Two bytes say how long the signature is that stands before its keys."""
    size = 2 + int.from_bytes(data[:2])
    keys = openpgp_certificate.parse_certificates(data[size:])
    openpgp.verify_detached(data[2:size], b"text", keys, LATER)


def _documents(data: bytes) -> None:
    """Documents of one call each; the first byte chooses."""
    calls: tuple[Callable[[bytes], object], ...] = (
        bundle.parse_bundle,
        apiclient_report.parse_apiclient_report,
        inventory.parse_inventory,
        lambda raw: sbom_json.parse_sbom(raw, "x"),
        vendor_sbom.parse_vendor_sbom,
        updateinfo.parse_updateinfo,
        advisory_toml.parse_advisory,
        policy_toml.parse_policy,
        strict_yaml.load_strict,
        strict_yaml.load_plain,
        evidence_file.load_evidence,
        lambda raw: codec.decode(Evidence, codec.parse(raw)),
        _evidence_pair,
        lambda raw: stated_package.parse_stated("/x-1.dist-info/METADATA", raw),
        lambda raw: stated_package.parse_stated("/node_modules/x/package.json", raw),
        lambda raw: stated_package.parse_stated("/x.jar", raw),
    )
    if data:
        calls[data[0] % len(calls)](data[1:])


def _evidence_pair(data: bytes) -> None:
    """The same evidence twice: handed on from the process that parsed it, and held against itself."""
    parsed = evidence_file.parse_evidence(data)
    evidence_pair.unpack(evidence_pair.pack(parsed, parsed))


def _containers(data: bytes) -> None:
    """Every map and index of a container; none looks at what the others demand."""
    data = seal_lz4(data)
    reader = BytesReader(data)
    sniff.sniff(reader)
    sniff.name_foreign_packing(reader)
    sniff.size_before_vhd_footer(reader)
    sniff.name_embedded_image(data[:4096], len(data))
    for read in (
        lz4_frame.index_frames,
        zstd_frame.walk_frames,
        qcow2.map_qcow2,
        vmdk.map_vmdk,
        tar_members.list_members,
    ):
        with suppress(FormatError):
            read(reader, _budget())


def _file(data: bytes) -> Path:
    """The bytes as a file in memory that can be opened by name; the caller closes its descriptor."""
    descriptor = os.memfd_create("input")
    os.write(descriptor, data)
    return Path(f"/proc/self/fd/{descriptor}")


def _disk(data: bytes) -> None:
    path = _file(seal_lz4(data))
    try:
        opened = open_disk(path, budget=_budget(), workers=1)
        opened.reader.read(0, min(4096, opened.reader.size))
        opened.close()
    finally:
        os.close(int(path.name))


def _image(data: bytes) -> None:
    path = _file(seal_gpt(data))
    try:
        open_image(path, budget=_budget(), tmp_dir=None, progress=NoProgress(), workers=1).close()
    finally:
        os.close(int(path.name))


def _netfilter(data: bytes) -> None:
    """ "4" or "6": one of the older tables; anything else: messages of nf_tables."""
    kind, rest = data[:1], data[1:]
    if kind in (b"4", b"6"):
        size = x_tables.INFO.size
        x_tables.parse_entries(rest[size:], x_tables.parse_info(rest[:size]), ipv6=kind == b"6")
        return
    sets: dict[str, FilterSet] = {}
    flags = 0
    for one in netlink.messages(rest):
        match one.kind & 0xFF:
            case nf_tables.NEW_TABLE:
                nf_tables.parse_table(one.body)
            case nf_tables.NEW_CHAIN:
                nf_tables.parse_chain(one.body)
            case nf_tables.NEW_SET:
                _, _, name, flags = nf_tables.parse_set(one.body)
                sets[name] = FilterSet(flags, ())
            case nf_tables.NEW_ELEMENTS:
                sets = dict.fromkeys(sets, nf_tables.parse_set_elements(one.body, flags))
            case nf_tables.NEW_RULE:
                rule = nf_tables.parse_rule(one.body)
                for family in (2, 10):
                    rule.lines(family, sets)


TARGETS: tuple[Target, ...] = (
    Target("ext4", _tree(open_ext4), 1 << 18),
    Target("erofs", _tree(open_erofs), 1 << 17),
    Target("squashfs", _tree(open_squashfs), 1 << 15),
    Target("fat", _tree(open_fat), 1 << 16),
    Target("gpt", _gpt, 1 << 15),
    Target("mbr", lambda data: mbr.read_mbr(BytesReader(data)), 1 << 15),
    Target("containers", _containers, 1 << 18),
    Target("disk", _disk, 1 << 18),
    Target("image", _image, 1 << 18),
    Target("verity", _verity, 1 << 14),
    Target("verity-table", _table),
    Target("pe", _pe, 1 << 14),
    Target("vmlinuz", _vmlinuz, 1 << 13),
    Target("bootconfig", _bootconfig),
    Target("grub-cfg", grub_cfg.parse_grub_cfg),
    Target("elf", read_elf, 1 << 15),
    Target("module", _module, 1 << 15),
    Target("selinux", selinux_policy.parse_selinux_policy),
    Target("texts", _texts),
    Target("trust", _trust, 1 << 13),
    Target("documents", _documents, 1 << 13),
    Target("netfilter", _netfilter, 1 << 14),
)


def run(target: Target, data: bytes) -> None:
    """One input: it is read, or refused with an error of ours; anything else comes through."""
    with suppress(RocketauditError):
        target.run(data)
