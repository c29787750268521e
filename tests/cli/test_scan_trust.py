"""Every chain of trust from the command line: signatures by real tools, and none that should not hold does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest

from rocketaudit.analysis.decision import ABOUT_INTEGRITY
from rocketaudit.cli.main import main
from rocketaudit.cli.manifest import create
from rocketaudit.errors import UsageError
from tests.cli.test_manifest import Keys, signed
from tests.formats.test_update_manifest import manifest, update
from tests.gnupg import Gpg
from tests.images import Built
from tests.secure_boot import Identity
from tests.source.packed import make_ova, run
from tests.support import find_tool, needs_tools
from tests.tuf_repository import Repository, Signer, envelope

WHEN = ["--as-of", "2026-06-01"]


@pytest.fixture(scope="module")
def evidence(small_erofs_image: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one look at the image saw, with all that signatures cover."""
    path = tmp_path_factory.mktemp("evidence") / "image.evidence.json"
    main(["collect", str(small_erofs_image.path), "-o", str(path), "-q"])
    return path


def verdict(tmp_path: Path, *words: object) -> tuple[str, str]:
    """(integrity, why) of a scan or of judging evidence again."""
    report = tmp_path / "report.json"
    report.unlink(missing_ok=True)
    target = str(words[0])
    command = "judge" if target.endswith(".evidence.json") else "scan"
    code = main([command, *map(str, words), "-q", "--fail-on", "integrity", "-o", f"json={report}"])
    whole = json.loads(report.read_text())
    raw = whole["integrity"]
    if any(one["id"] in ABOUT_INTEGRITY and one["severity"] in ("high", "critical") for one in whole["findings"]):
        assert code == 1
    else:
        assert code == {"verified": 0, "consistent_unsigned": 0, "broken": 1, "unknown": 3}[raw["verdict"]]
    return raw["verdict"], raw["why"]


# ---- TUF


def repository(image: Path) -> Repository:
    made = Repository()
    made.contents = {"bottlerocket.img.lz4": b"other", image.name: image.read_bytes()}
    return made


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def tuf(folder: Path, files: dict[str, bytes], root: bytes | None = None) -> list[str]:
    given = folder / "given.root.json"
    put(folder / "metadata", files)
    given.write_bytes(files["1.root.json"] if root is None else root)
    return ["--tuf-root", str(given), "--tuf-metadata", str(folder / "metadata")]


def test_tuf_reaches_the_bytes_of_an_image_that_targets_sign(small_erofs_image: Built, tmp_path: Path) -> None:
    words = tuf(tmp_path, repository(small_erofs_image.path).build())
    assert verdict(tmp_path, small_erofs_image.path, *words, *WHEN)[0] == "verified"


def _packed(image: Path, kind: str, folder: Path) -> Path:
    """The image as releases ship it, by the real tools."""
    out = folder / f"release.img.{kind}"
    if kind == "lz4":
        run("lz4", "-q", "-9", image, out)
    elif kind == "ova":
        run("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", image, folder / "disk.vmdk")
        make_ova(out, folder / "disk.vmdk")
    else:
        run("qemu-img", "convert", "-O", kind, image, out)
    return out


@pytest.mark.parametrize("kind", ["lz4", "qcow2", "ova"])
def test_targets_sign_a_container_as_it_is_shipped(kind: str, small_erofs_image: Built, tmp_path: Path) -> None:
    release = _packed(small_erofs_image.path, kind, tmp_path)
    words = tuf(tmp_path, repository(release).build())
    assert verdict(tmp_path, release, *words, *WHEN)[0] == "verified"
    other = repository(release)
    other.contents[release.name] += b"\0"
    words = tuf(tmp_path, other.build())
    found, why = verdict(tmp_path, release, *words, *WHEN)
    assert found == "broken" and "other content" in why


def _other_root(repo: Repository, files: dict[str, bytes]) -> bytes:
    del repo, files
    return Repository().root()


def _one_signature(repo: Repository, files: dict[str, bytes]) -> None:
    files["1.root.json"] = envelope(repo.root_body(), repo.root_keys[:1])


def _same_signature_twice(repo: Repository, files: dict[str, bytes]) -> None:
    files["1.root.json"] = envelope(repo.root_body(), [repo.root_keys[0], repo.root_keys[0]])


def _altered(repo: Repository, files: dict[str, bytes]) -> None:
    del repo
    files["1.targets.json"] = files["1.targets.json"].replace(b"bottlerocket.img.lz4", b"bottlerocket.img.lz5")


def _truncated(repo: Repository, files: dict[str, bytes]) -> None:
    del repo
    files["timestamp.json"] = files["timestamp.json"][:-40]


def _stranger(repo: Repository, files: dict[str, bytes]) -> None:
    files["timestamp.json"] = envelope(json.loads(files["timestamp.json"])["signed"], [Signer()])


def _missing(repo: Repository, files: dict[str, bytes]) -> None:
    del repo, files["1.snapshot.json"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_root, "root signs timestamp"),
        (_one_signature, "root"),
        (_same_signature_twice, "root"),
        (_altered, "targets"),
        (_truncated, "timestamp"),
        (_stranger, "timestamp"),
        (_missing, "snapshot"),
    ],
)
def test_tuf_metadata_that_was_spoilt_vouches_for_nothing(
    spoil: Callable[[Repository, dict[str, bytes]], bytes | None],
    said: str,
    evidence: Path,
    small_erofs_image: Built,
    tmp_path: Path,
) -> None:
    repo = repository(small_erofs_image.path)
    files = repo.build()
    root = spoil(repo, files)
    found, why = verdict(tmp_path, evidence, *tuf(tmp_path, files, root), *WHEN)
    assert found in ("broken", "unknown")
    assert said in why


def test_expired_tuf_metadata_vouches_for_nothing(evidence: Path, small_erofs_image: Built, tmp_path: Path) -> None:
    words = tuf(tmp_path, repository(small_erofs_image.path).build())
    found, why = verdict(tmp_path, evidence, *words, "--as-of", "2027-06-01")
    assert found == "broken" and "expire" in why


def test_tuf_metadata_older_than_what_was_seen_is_a_rollback(
    evidence: Path, small_erofs_image: Built, tmp_path: Path
) -> None:
    repo = repository(small_erofs_image.path)
    old = repo.build()
    repo.version["timestamp"] = repo.version["snapshot"] = 9
    newer = repo.build()
    state = put(
        tmp_path / "state", {"timestamp.json": newer["timestamp.json"], "snapshot.json": newer["9.snapshot.json"]}
    )
    words = tuf(tmp_path, old)
    assert verdict(tmp_path, evidence, *words, *WHEN)[0] == "verified"
    found, why = verdict(tmp_path, evidence, *words, *WHEN, "--tuf-state", state)
    assert found == "broken" and "timestamp" in why


def test_targets_that_sign_another_file_vouch_for_nothing(
    small_erofs_image: Built, small_ext4_image: Built, tmp_path: Path
) -> None:
    words = tuf(tmp_path, repository(small_ext4_image.path).build())
    renamed = tmp_path / "another.img"
    shutil.copy(small_erofs_image.path, renamed)
    found, why = verdict(tmp_path, renamed, *words, *WHEN)
    assert found == "unknown" and "no target" in why
    found, why = verdict(tmp_path, small_erofs_image.path, *words, *WHEN)
    assert found == "broken" and "other content" in why


# ---- parts of a release: the image itself is no target


def parts(image: Built, folder: Path) -> Path:
    """As Bottlerocket publishes them: boot, root and verity images, compressed."""
    folder.mkdir()
    raw = image.path.read_bytes()
    for label, name in (("BOOT", "boot.ext4"), ("ROOT", "root.ext4"), ("HASH", "root.verity")):
        part = next(one for one in image.partitions.values() if one.label == f"BOTTLEROCKET-{label}-A")
        packed = lz4.frame.compress(raw[part.start : part.start + part.length])
        (folder / f"bottlerocket-v-x86_64-1.0.0-{name}.lz4").write_bytes(packed)
    return folder


def part_repository(folder: Path) -> Repository:
    made = Repository()
    made.contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    return made


@pytest.mark.parametrize("kind", ["small_erofs_image", "small_ext4_image"])
def test_signed_boot_and_verity_images_vouch_for_an_image_made_of_them(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image: Built = request.getfixturevalue(kind)
    folder = parts(image, tmp_path / "targets")
    words = tuf(tmp_path, part_repository(folder).build())
    assert verdict(tmp_path, image.path, *words, *WHEN)[0] == "unknown"
    assert verdict(tmp_path, image.path, *words, *WHEN, "--tuf-targets", folder)[0] == "verified"


def test_parts_of_another_release_vouch_for_nothing(
    evidence: Path, small_ext4_image: Built, small_erofs_image: Built, tmp_path: Path
) -> None:
    folder = parts(small_ext4_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    found, why = verdict(tmp_path, evidence, *words)
    assert found == "broken" and "root hash" in why


def test_a_changed_boot_partition_is_not_the_signed_one(small_erofs_image: Built, tmp_path: Path) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    image = tmp_path / "image.img"
    shutil.copy(small_erofs_image.path, image)
    boot = next(one for one in small_erofs_image.partitions.values() if one.label == "BOTTLEROCKET-BOOT-A")
    at = image.read_bytes().index(b'set timeout="0"', boot.start)
    with image.open("r+b") as file:
        file.seek(at)
        file.write(b'set timeout="9"')
    found, why = verdict(tmp_path, image, *words)
    assert found == "broken" and "/grub/grub.cfg" in why


@pytest.mark.parametrize("name", ["boot.ext4", "root.verity"])
def test_without_one_of_the_parts_nothing_is_verified(
    name: str, evidence: Path, small_erofs_image: Built, tmp_path: Path
) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    next(folder.glob(f"*{name}.lz4")).unlink()
    found, why = verdict(tmp_path, evidence, *words)
    assert found == "unknown" and "one of each is needed" in why


def test_a_part_that_was_changed_after_signing_vouches_for_nothing(
    evidence: Path, small_erofs_image: Built, tmp_path: Path
) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    part = next(folder.glob("*root.verity.lz4"))
    part.write_bytes(lz4.frame.compress(lz4.frame.decompress(part.read_bytes()) + b"\0" * 4096))
    found, why = verdict(tmp_path, evidence, *words)
    assert found == "broken" and "other content" in why


def test_a_signed_descriptor_vouches_for_nothing_in_the_files_that_it_names(
    small_erofs_image: Built, tmp_path: Path
) -> None:
    """Its digest says nothing about them: anybody could put another disk beside it."""
    shutil.copy(small_erofs_image.path, tmp_path / "disk-flat.img")
    sectors = small_erofs_image.path.stat().st_size // 512
    descriptor = tmp_path / "disk.vmdk"
    descriptor.write_text(
        '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        f'RW {sectors} FLAT "disk-flat.img" 0\n'
    )
    words = tuf(tmp_path, repository(descriptor).build())
    found, why = verdict(tmp_path, descriptor, *words, *WHEN)
    assert found == "unknown" and "no digest of the input file" in why
    with pytest.raises(UsageError, match="only names the files"):
        create(descriptor)


def links(tmp_path: Path, *words: object) -> dict[str, tuple[str, str]]:
    """(state, why) of every link of the chains, by its name."""
    verdict(tmp_path, *words)
    chain = json.loads((tmp_path / "report.json").read_text())["integrity"]["chain"]
    return {link["name"]: (link["state"], link["why"]) for link in chain}


@pytest.mark.parametrize("kind", ["small_erofs_image", "small_ext4_image"])
def test_a_signed_root_image_is_compared_with_the_bank_block_by_block(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image: Built = request.getfixturevalue(kind)
    folder = parts(image, tmp_path / "targets")
    found = links(tmp_path, image.path, *tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", folder)
    state, why = found["bank-a: root is the signed root image"]
    assert state == "verified" and "block by block, from bottlerocket-v-x86_64-1.0.0-root.ext4.lz4" in why


@pytest.mark.parametrize(
    ("at", "why"), [(4096, "1 blocks of bottlerocket-v-x86_64-1.0.0-root.ext4.lz4 do not fit"), (-1, "behind the last")]
)
def test_a_signed_root_image_that_differs_anywhere_breaks_the_chain(
    at: int, why: str, evidence: Path, small_erofs_image: Built, tmp_path: Path
) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    part = next(folder.glob("*root.ext4.lz4"))
    content = bytearray(lz4.frame.decompress(part.read_bytes()))
    content[at] ^= 1
    part.write_bytes(lz4.frame.compress(bytes(content)))
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    found, said = verdict(tmp_path, evidence, *words)
    assert found == "broken" and why in said


def test_a_release_may_come_without_its_root_image(evidence: Path, small_erofs_image: Built, tmp_path: Path) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    next(folder.glob("*root.ext4.lz4")).unlink()
    assert verdict(tmp_path, evidence, *words)[0] == "verified"


def test_files_that_nobody_signed_do_not_count(evidence: Path, small_erofs_image: Built, tmp_path: Path) -> None:
    folder = parts(small_erofs_image, tmp_path / "targets")
    words = [*tuf(tmp_path, part_repository(folder).build()), *WHEN, "--tuf-targets", str(folder)]
    (folder / "NOTES.txt").write_text("nobody signed this")
    assert verdict(tmp_path, evidence, *words)[0] == "verified"


# ---- OpenPGP over grub.cfg


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Gpg:
    made = Gpg(tmp_path_factory.mktemp("gpg") / "h")
    made.make("release")
    made.make("stranger")
    yield made
    made.close()


def boot_partition(image: Built) -> tuple[int, int]:
    part = next(one for one in image.partitions.values() if one.label == "BOTTLEROCKET-BOOT-A")
    return part.start, part.length


def test_without_the_openpgp_library_a_good_signature_is_unknown_and_the_report_says_what_to_install(
    gpg: Gpg, small_ext4_image: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = with_signature(small_ext4_image, tmp_path / "image.img", lambda text: gpg.sign("release", document=text))
    key = tmp_path / "key.gpg"
    key.write_bytes(gpg.export("release"))
    monkeypatch.setitem(sys.modules, "pysequoia", None)
    found, why = verdict(tmp_path, image, "--grub-key", key)
    assert found == "unknown" and "pip install 'rocketaudit[openpgp]'" in why
    key.write_bytes(gpg.export("stranger"))  # what our own reader refuses is broken, library or not
    assert verdict(tmp_path, image, "--grub-key", key)[0] == "broken"


def with_signature(image: Built, out: Path, make: Callable[[bytes], bytes]) -> Path:
    """The image with grub.cfg.sig written into its boot partition by e2fsprogs."""
    needs_tools("debugfs")
    start, length = boot_partition(image)
    raw = image.path.read_bytes()
    boot = out.with_suffix(".boot")
    boot.write_bytes(raw[start : start + length])
    tool = find_tool("debugfs") or "debugfs"
    text = subprocess.run([tool, "-R", "cat /grub/grub.cfg", boot], capture_output=True, check=True).stdout
    (out.parent / "sig").write_bytes(make(text))
    write = [tool, "-w", "-R", f"write {out.parent / 'sig'} /grub/grub.cfg.sig", str(boot)]
    subprocess.run(write, capture_output=True, check=True)
    out.write_bytes(raw[:start] + boot.read_bytes() + raw[start + length :])
    return out


def test_openpgp_reaches_the_bytes_and_no_other_key_does(small_erofs_image: Built, tmp_path: Path, gpg: Gpg) -> None:
    image = with_signature(small_erofs_image, tmp_path / "i.img", lambda text: gpg.sign("release", document=text))
    keys = {}
    for name in ("release", "stranger"):
        keys[name] = tmp_path / name
        keys[name].write_bytes(gpg.export(name))
    assert verdict(tmp_path, image, "--grub-key", keys["release"])[0] == "verified"
    found, why = verdict(tmp_path, image, "--grub-key", keys["stranger"])
    assert found == "broken" and "grub.cfg" in why
    assert verdict(tmp_path, small_erofs_image.path, "--grub-key", keys["release"])[0] == "unknown"


@pytest.mark.parametrize(
    "make",
    [
        lambda gpg, text: gpg.sign("release", document=text + b"\n"),
        lambda gpg, text: gpg.sign("release", document=text)[:-5],
        lambda gpg, text: gpg.sign("stranger", document=text) * 2,
        lambda gpg, text: gpg.sign("release", "--digest-algo", "sha1", "--allow-weak-digest-algos", document=text),
        lambda gpg, text: b"",
    ],
    ids=["another text", "truncated", "doubled stranger", "sha1", "empty"],
)  # fmt: skip
def test_openpgp_signatures_that_should_not_hold_do_not(
    make: Callable[[Gpg, bytes], bytes], small_erofs_image: Built, tmp_path: Path, gpg: Gpg
) -> None:
    image = with_signature(small_erofs_image, tmp_path / "i.img", lambda text: make(gpg, text))
    key = tmp_path / "key"
    key.write_bytes(gpg.export("release"))
    assert verdict(tmp_path, image, "--grub-key", key)[0] in ("broken", "unknown")


# ---- PKCS#7 over a root hash


def test_a_signature_over_the_root_hash_counts_with_its_certificate_only(
    evidence: Path, small_erofs_image: Built, small_ext4_image: Built, tmp_path: Path
) -> None:
    needs_tools("openssl")
    signer, stranger = Identity("signer"), Identity("stranger")
    key, certificate = signer.write(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(stranger.pem)

    def signature(name: str, root_hash: str) -> Path:
        command = ["openssl", "smime", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "der"]
        command += ["-signer", str(certificate), "-inkey", str(key)]
        made = subprocess.run(command, input=root_hash.encode(), capture_output=True, check=True).stdout
        (tmp_path / name).write_bytes(made)
        return tmp_path / name

    good = signature("good.p7s", root_hash_of(evidence, tmp_path))
    words = ["--root-hash-sig", good, "--signing-cert", certificate, *WHEN]
    assert verdict(tmp_path, evidence, *words)[0] == "verified"
    assert verdict(tmp_path, small_erofs_image.path, *words)[0] == "verified"
    assert verdict(tmp_path, small_ext4_image.path, *words)[0] == "broken"
    assert verdict(tmp_path, evidence, "--root-hash-sig", good, "--signing-cert", other, *WHEN)[0] == "broken"
    cut = tmp_path / "cut.p7s"
    cut.write_bytes(good.read_bytes()[:-9])
    assert verdict(tmp_path, evidence, "--root-hash-sig", cut, "--signing-cert", certificate, *WHEN)[0] == "broken"
    wrong = signature("wrong.p7s", "0" * 64)
    assert verdict(tmp_path, evidence, "--root-hash-sig", wrong, "--signing-cert", certificate, *WHEN)[0] == "broken"


def root_hash_of(evidence: Path, tmp_path: Path) -> str:
    report = tmp_path / "r.json"
    main(["judge", str(evidence), "-q", "-o", f"json={report}"])
    return str(json.loads(report.read_text())["integrity"]["banks"][0]["root_hash"])


# ---- manifests, and releases that are too old


def test_an_old_release_does_not_pass_however_well_it_is_signed(
    evidence: Path, small_erofs_image: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = Keys(tmp_path)
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    words = ["--manifest", manifest, "--key", keys.public]
    assert verdict(tmp_path, evidence, *words)[0] == "verified"
    assert verdict(tmp_path, evidence, *words, "--min-version", "1.0.0")[0] == "verified"
    found, why = verdict(tmp_path, evidence, *words, "--min-version", "99.0.0")
    assert found == "broken" and "old release" in why
    (tmp_path / "policy.toml").write_text('min_version = "99.0.0"\n')
    assert verdict(tmp_path, evidence, *words, "--policy", tmp_path / "policy.toml")[0] == "broken"
    assert main(["judge", str(evidence), "--min-version", "99"]) == 2
    assert "not a release" in capsys.readouterr().err


def test_without_an_anchor_an_old_release_still_misses_the_demand(evidence: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    words = ["judge", str(evidence), "-q", "--fail-on", "integrity", "-o", f"json={report}"]
    assert main([*words, "--min-version", "1.0.0"]) == 0
    code = main([*words, "--min-version", "99.0.0"])
    reasons = json.loads(report.read_text())["policy"]["reasons"]
    assert any("99.0.0 is demanded" in reason for reason in reasons)
    assert code == 1


def test_a_certificate_as_anchor_verifies_rules_about_it_too(
    evidence: Path, small_erofs_image: Built, tmp_path: Path
) -> None:
    keys = Keys(tmp_path)
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    report, mine = tmp_path / "r.json", tmp_path / "mine.json"
    shutil.copy(evidence, mine)
    main(["baseline", "sign", str(mine), "--key", str(keys.private)])
    words = ["judge", str(mine), "-q", "-o", f"json={report}"]
    rule = "integrity-reaches-a-trust-anchor"
    anchor = ["--manifest", str(manifest), "--key", str(keys.public)]
    sure = ["--evidence-key", str(keys.public)]
    for more, expected in (sure, "fail"), ([*anchor, *sure], "pass"), (anchor, "unknown"), ([], "fail"):
        main([*words, *more])
        results = json.loads(report.read_text())["results"]
        assert {one["verdict"] for one in results if one["rule"] == rule} == {expected}


@pytest.mark.parametrize(
    "words",
    [
        ["--tuf-targets", "."],
        ["--root-hash-sig", "x"],
        ["--signing-cert", "x"],
        ["--min-version", "new"],
    ],
)
def test_options_that_do_not_fit_together_are_wrong_usage(words: list[str], evidence: Path) -> None:
    assert main(["judge", str(evidence), *words]) == 2


# ---- evidence from a file: as sure as its signature


def test_an_evidence_file_is_verified_only_when_a_given_key_signed_it(
    evidence: Path, small_erofs_image: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever can write the file could let it say anything, also that the image has the signed digest."""
    mine, report, key = tmp_path / "mine.evidence.json", tmp_path / "r.json", Keys(tmp_path)
    shutil.copy(evidence, mine)
    anchors = [*tuf(tmp_path, repository(small_erofs_image.path).build()), *WHEN]
    words = ["judge", str(mine), *anchors, "--fail-on", "integrity", "-o", f"json={report}", "-o", "console"]

    def told(*more: str) -> tuple[str, str]:
        assert main([*words, *more]) == 0
        return json.loads(report.read_text())["assurance"], capsys.readouterr().out

    assurance, text = told()
    assert assurance == "asserted"
    assert "as stated by an unsigned evidence file, not verified: verified" in " ".join(text.split())
    assert main(["baseline", "sign", str(mine), "--key", str(key.private)]) == 0
    capsys.readouterr()
    assurance, text = told("--evidence-key", str(key.public))
    assert assurance == "signed-evidence"
    assert "verified from your anchor" in text
    assert told()[0] == "asserted"
    stranger = Keys(put(tmp_path / "stranger", {}))
    assert main([*words, "--evidence-key", str(stranger.public)]) != 0
    assert main(["judge", "--bundle", str(mine), "--evidence-key", str(key.public)]) == 2


# ---- what the user's own documents add to the report


def test_a_signed_manifest_is_one_of_the_places_and_may_be_the_odd_one_out(
    evidence: Path, small_erofs_image: Built, small_ext4_image: Built, tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    for image, odd in ((small_erofs_image, []), (small_ext4_image, ["signed manifest"])):
        folder = put(tmp_path / image.path.parent.name, {})
        keys = Keys(folder)
        manifest = signed(image.path, folder, keys)
        words = ["--manifest", str(manifest), "--key", str(keys.public), "-o", f"json={report}", "-q"]
        main(["judge", str(evidence), *words])
        integrity = json.loads(report.read_text())["integrity"]
        stated = {one["source"] for one in integrity["places"] if one["scope"] == "bank-a"}
        assert stated == {"boot text", "superblock", "recomputed tree", "signed manifest"}
        (bank,) = [one for one in integrity["banks"] if one["populated"]]
        assert bank["odd_ones_out"] == odd
        assert bank["verdict"] == ("broken" if odd else "verified")


def test_a_scan_with_tuf_answers_the_update_side(evidence: Path, small_erofs_image: Built, tmp_path: Path) -> None:
    made = repository(small_erofs_image.path)
    raw = manifest(update("9.9.9"))
    made.contents["manifest.json"] = raw
    report = tmp_path / "r.json"
    words = [*tuf(tmp_path, made.build()), *WHEN, "-o", f"json={report}", "-q"]
    put(tmp_path / "metadata", {"manifest.json": raw})
    main(["judge", str(evidence), *words])
    whole = json.loads(report.read_text())
    answers = {one["id"]: one for one in whole["integrity"]["updates"]}
    assert answers["update-newer"]["answer"] == "newer: 9.9.9"
    assert "not listed" in answers["release-offered"]["answer"]
    assert whole["integrity"]["verdict"] == "verified"
    assert {"release-offered", "update-root"} <= {one["id"] for one in whole["findings"]}
