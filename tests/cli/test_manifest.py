"""A release pipeline makes, signs and checks manifests; what differs from the image is never accepted."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from rocketaudit.cli.main import main
from rocketaudit.cli.manifest import manifest_app
from rocketaudit.errors import FormatError, TrustError, UsageError
from rocketaudit.formats.dsse import parse_envelope
from tests.support import needs_tools


def run(*words):
    return manifest_app([str(word) for word in words], standalone_mode=False)


class Keys:
    """A private key file with mode 0600 and its public half."""

    def __init__(self, folder: Path, kind="ed25519", passphrase=None):
        maker = {"ed25519": ed25519.Ed25519PrivateKey.generate, "p256": lambda: ec.generate_private_key(ec.SECP256R1())}
        key = maker[kind]()
        how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        self.private, self.public = folder / f"{kind}.key", folder / f"{kind}.pub"
        self.private.touch(mode=0o600)
        self.private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
        self.public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def create(image, folder, *options):
    path = folder / "manifest.json"
    assert run("create", image, "-o", path, *options) == 0
    return path


def signed(image, folder, keys, *options):
    path = create(image, folder, *options)
    assert run("sign", path, "--key", keys.private, "-o", path) == 0
    return path


def verify(capsys, manifest, *options):
    capsys.readouterr()
    code = run("verify", manifest, "-o", "json", *options)
    return code, {link["name"]: link for link in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_signed_manifest_verifies_with_its_image(capsys, tmp_path, small_erofs_image, kind):
    keys = Keys(tmp_path, kind)
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", small_erofs_image.path)
    assert code == 0, links
    assert links["signed root hash is that of bank-a"]["state"] == "verified"
    assert links["image file is the signed one"]["state"] == "verified"
    stated = json.loads(parse_envelope(manifest.read_bytes()).payload)["predicate"]["banks"]
    assert [bank["root_hash"] for bank in stated] == [small_erofs_image.verity["A"].root_hash]


def test_both_banks_are_in_the_manifest(capsys, tmp_path, keys, two_bank_image, small_erofs_image):
    manifest = signed(two_bank_image.path, tmp_path, keys)
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", two_bank_image.path)
    assert (code, links["signed root hash is that of bank-b"]["state"]) == (0, "verified")
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", small_erofs_image.path)
    assert code == 1


def test_a_unified_kernel_image_has_a_manifest_too(capsys, tmp_path, keys, uki_image):
    manifest = signed(uki_image.path, tmp_path, keys)
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", uki_image.path)
    assert code == 0, links


def test_an_image_that_was_changed_after_signing_is_refused(capsys, tmp_path, keys, small_erofs_image):
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    changed = tmp_path / "changed.img"
    shutil.copyfile(small_erofs_image.path, changed)
    root = small_erofs_image.partitions["ROOT-A"]
    with changed.open("r+b") as file:
        file.seek(root.start + 8192)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", changed)
    assert code == 1
    assert links["signed root hash is that of bank-a"]["state"] == "broken"


def test_another_release_is_refused(capsys, tmp_path, keys, small_erofs_image, small_ext4_image):
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    code, links = verify(capsys, manifest, "--key", keys.public, "--target", small_ext4_image.path)
    assert code == 1
    assert links["bank-a states the signed parameters"]["state"] == "broken"


def test_a_corrupt_image_gets_no_manifest(tmp_path, corrupt_bank_b_image):
    path = tmp_path / "manifest.json"
    assert run("create", corrupt_bank_b_image.path, "-o", path) == 1
    assert not path.exists()


@pytest.mark.parametrize("kind", ["content", "cut"])
def test_an_image_damaged_as_it_is_packed_gets_no_manifest_and_is_not_called_sound(
    capfd, tmp_path, small_erofs_image, kind
):
    needs_tools("lz4")
    packed, path = tmp_path / "image.img.lz4", tmp_path / "manifest.json"
    subprocess.run(["lz4", "-q", small_erofs_image.path, packed], check=True)
    for command in ("banks", "verity"):
        assert main([command, str(packed)]) == 0
    with packed.open("r+b") as file:
        if kind == "content":
            file.seek(-1, os.SEEK_END)
            (last,) = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        else:
            file.truncate(packed.stat().st_size - 9)
    capfd.readouterr()
    for command in ("banks", "verity"):
        assert main([command, str(packed)]) == 3
        said = capfd.readouterr()
        assert "consistent" in said.out
        assert ("states" if kind == "content" else "damaged") in said.err
    assert run("create", packed, "-o", path) == 1
    assert not path.exists()


def test_what_has_no_banks_gets_no_manifest(tmp_path):
    (tmp_path / "rootfs").mkdir()
    assert run("create", tmp_path / "rootfs", "-o", tmp_path / "m") == 3
    assert not (tmp_path / "m").exists()


def test_without_the_key_or_a_signature_nothing_is_verified(capsys, tmp_path, keys, small_erofs_image):
    unsigned = create(small_erofs_image.path, tmp_path)
    assert verify(capsys, unsigned, "--key", keys.public)[0] == 1
    assert run("sign", unsigned, "--key", keys.private, "-o", unsigned) == 0
    assert verify(capsys, unsigned, "--key", keys.public)[0] == 0
    assert verify(capsys, unsigned)[0] == 1
    other = Keys(tmp_path, "p256")
    assert verify(capsys, unsigned, "--key", other.public)[0] == 1


def test_expiry_and_policy_are_judged(capsys, tmp_path, keys, small_erofs_image):
    manifest = signed(small_erofs_image.path, tmp_path, keys, "--not-after", "2026-06-30")
    options = ("--key", keys.public)
    assert verify(capsys, manifest, *options, "--as-of", "2026-06-30T12:00:00")[0] == 0
    assert verify(capsys, manifest, *options, "--as-of", "2026-07-01")[0] == 1
    version = json.loads(parse_envelope(manifest.read_bytes()).payload)["predicate"]["version"]
    as_of = ("--as-of", "2026-06-01")
    assert verify(capsys, manifest, *options, *as_of, "--min-version", version)[0] == 0
    assert verify(capsys, manifest, *options, *as_of, "--min-version", "999.0.0")[0] == 1
    assert verify(capsys, manifest, *options, *as_of, "--min-version", "newest")[0] == 3


def test_signing_again_replaces_and_another_key_adds(tmp_path, keys, small_erofs_image):
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    run("sign", manifest, "--key", keys.private, "-o", manifest)
    assert len(parse_envelope(manifest.read_bytes()).signatures) == 1
    run("sign", manifest, "--key", Keys(tmp_path, "p256").private, "-o", manifest)
    assert len(parse_envelope(manifest.read_bytes()).signatures) == 2


def test_a_signature_that_was_made_elsewhere_is_attached(capsys, tmp_path, small_erofs_image):
    needs_tools("openssl")
    keys = Keys(tmp_path, "p256")
    manifest = create(small_erofs_image.path, tmp_path)
    assert run("sign", manifest, "--pae", "-o", tmp_path / "pae") == 0
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", keys.private, tmp_path / "pae"], capture_output=True, check=True
    ).stdout
    (tmp_path / "sig").write_bytes(made)
    assert run("attach", manifest, "--signature", tmp_path / "sig", "--key", keys.public, "-o", manifest) == 0
    assert verify(capsys, manifest, "--key", keys.public)[0] == 0
    (tmp_path / "sig").write_bytes(made[:-1] + bytes([made[-1] ^ 1]))
    with pytest.raises(TrustError):
        run("attach", manifest, "--signature", tmp_path / "sig", "--key", keys.public, "-o", manifest)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path, keys, small_erofs_image, mode):
    manifest = create(small_erofs_image.path, tmp_path)
    keys.private.chmod(mode)
    with pytest.raises(UsageError, match="may be read by others"):
        run("sign", manifest, "--key", keys.private)


def test_a_passphrase_comes_from_a_descriptor_and_a_wrong_one_is_refused(capsys, tmp_path, small_erofs_image):
    keys = Keys(tmp_path, passphrase=b"open sesame")
    manifest = create(small_erofs_image.path, tmp_path)
    for passphrase, is_right in ((b"open sesame\n", True), (b"wrong\n", False)):
        reading, writing = os.pipe()
        os.write(writing, passphrase)
        os.close(writing)
        try:
            words = ("sign", manifest, "--key", keys.private, "--passphrase-fd", reading, "-o", manifest)
            if is_right:
                assert run(*words) == 0
            else:
                with pytest.raises(UsageError):
                    run(*words)
        finally:
            os.close(reading)
    assert verify(capsys, manifest, "--key", keys.public)[0] == 0


def test_an_encrypted_key_without_a_terminal_is_a_usage_error(tmp_path, small_erofs_image, monkeypatch):
    keys = Keys(tmp_path, passphrase=b"x")
    manifest = create(small_erofs_image.path, tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="needs a passphrase"):
        run("sign", manifest, "--key", keys.private)


def test_wrong_usage_is_said(tmp_path, keys, small_erofs_image):
    manifest = create(small_erofs_image.path, tmp_path)
    with pytest.raises(UsageError, match="either --key or --pae"):
        run("sign", manifest)
    with pytest.raises(UsageError):
        run("verify", manifest, "--key", keys.private)  # a private key where a public one belongs
    with pytest.raises(UsageError):
        run("create", small_erofs_image.path, "--not-after", "tomorrow")
    manifest.write_bytes(b"{}")
    with pytest.raises(FormatError):
        run("sign", manifest, "--key", keys.private)


def test_the_console_names_the_broken_link(capsys, tmp_path, keys, small_erofs_image):
    manifest = signed(small_erofs_image.path, tmp_path, keys, "--not-after", "2020-01-01")
    capsys.readouterr()
    assert run("verify", manifest, "--key", keys.public) == 1
    printed = capsys.readouterr().out
    assert "verified       key signs manifest: by " in printed
    assert "broken         manifest is still valid: expired (expected until 2020-01-01" in printed
