"""The text of a verity signature partition is read strictly, and what it states is compared with the tree."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.cli.main import main
from rocketaudit.errors import FormatError
from rocketaudit.formats.verity_signature import VeritySignature, read_verity_signature
from rocketaudit.model.reader import BytesReader
from tests.source import disks
from tests.source.disks import Part

ROOT = "ab" * 32


def read(text: bytes) -> VeritySignature:
    return read_verity_signature(BytesReader(text))


def text_of(**fields: object) -> bytes:
    return json.dumps({"rootHash": ROOT, "signature": "AAEC", **fields}).encode()


def test_what_systemd_repart_writes_is_read() -> None:
    text = text_of(certificateFingerprint="CD" * 32) + bytes(16384)
    assert read(text) == VeritySignature(ROOT, "cd" * 32, b"\0\1\2")
    assert read(text_of(rootHash=ROOT.upper())).root_hash == ROOT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "Expecting value"),
        (b"[]", "no object"),
        (b'{"rootHash":"00"}', "characters that is none"),
        (text_of(rootHash="zz" * 32), "characters that is none"),
        (text_of(rootHash=5), "str expected"),
        (b'{"rootHash":"' + ROOT.encode() + b'"}', "lacks 'signature'"),
        (text_of(signature="*"), "base64"),
        (text_of() + b"rest", "Extra data"),
        (b'{"rootHash":"a","rootHash":"b"}', "given twice"),
    ],
)
def test_other_texts_are_refused(text: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read(text)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_format_error(raw: bytes) -> None:
    for text in (raw, text_of()[:40] + raw):
        with contextlib.suppress(FormatError):
            read(text)


@pytest.mark.parametrize("lies", [False, True])
def test_a_signature_partition_is_one_of_the_places_that_state_the_root_hash(
    lies: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = disks.erofs(tmp_path, version="x" * 9000)
    tree = disks.hash_device(tmp_path, root)
    digest = (tmp_path / "roothash").read_text()
    stated = digest[:-2] + ("00" if digest[-2:] != "00" else "01") if lies else digest
    path = disks.put_together(
        tmp_path / "disk",
        Part(disks.ROOT_X86, root),
        Part(disks.ROOT_X86_HASH, tree),
        Part(disks.ROOT_X86_SIGNATURE, text_of(rootHash=stated)),
    )
    report = tmp_path / "report.json"
    main(["scan", str(path), "-q", "--fail-on", "never", "-o", f"json={report}"])
    (bank,) = json.loads(report.read_text())["integrity"]["banks"]
    if lies:
        assert bank["verdict"] == "broken"
        assert "signature partition disagrees" in bank["why"]
    else:
        assert bank["verdict"] == "unknown"
        assert "signature partition, which binds nobody" in bank["why"]
