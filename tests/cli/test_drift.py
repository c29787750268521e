"""`rocketaudit drift` and `baseline` as they are called: sides, outputs, exit codes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from rocketaudit.cli import drift_ahead
from rocketaudit.cli.main import main
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.evidence import Evidence, Gap
from tests.analysis.drift.samples import sound
from tests.analysis.drift.test_judge import NEXT, SAME, set_fact, swap
from tests.images import Built


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(name: str, evidence: Evidence) -> str:
    Path(name).write_bytes(dump_evidence(evidence))
    return name


def drift(*words: str) -> tuple[int, dict[str, Any]]:
    code = main(["drift", *words, "-o", "json=drift.json", "-q"])
    return code, json.loads(Path("drift.json").read_text())


def areas(document: dict[str, Any], judgement: str = "unexpected") -> set[str]:
    return {change["area"] for change in document["changes"] if change["judgement"] == judgement}


def keys() -> tuple[str, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    pem, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    bare = serialization.NoEncryption()
    Path("key.pem").write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, bare))
    os.chmod("key.pem", 0o600)
    Path("key.pub").write_bytes(private.public_key().public_bytes(pem, public))
    return "key.pem", "key.pub"


def test_equal_evidence_has_not_drifted_and_the_code_is_zero() -> None:
    gaps = replace(sound(), gaps=(Gap("bank-a", "/usr", "torn"),))
    code, document = drift(put("a.json", gaps), put("b.json", replace(gaps, when="2026-01-01T00:00:00Z", host="x")))
    assert (code, document["changes"]) == (0, [])
    assert "both sides alike" in " ".join(document["notes"])


def test_an_unexpected_change_gives_one_and_never_gives_zero() -> None:
    words = put("a.json", SAME), put("b.json", set_fact(SAME, "sysctl:kernel.kptr_restrict", "0"))
    assert drift(*words)[0] == 1
    assert drift(*words, "--fail-on", "never")[0] == 0


def test_what_could_not_be_compared_gives_three_or_one_as_asked() -> None:
    words = put("a.json", SAME), put("b.json", replace(SAME, gaps=(Gap("bank-a", "/opt", "torn"),)))
    assert drift(*words)[0] == 3
    assert drift(*words, "--fail-on", "cannot-say")[0] == 1


def test_an_unsigned_file_is_used_with_a_word_about_it() -> None:
    _, document = drift(put("a.json", SAME), put("b.json", NEXT))
    assert document["assurance"] == "asserted"
    assert any("a.json is used unsigned" in note for note in document["notes"])


def test_a_policy_accepts_with_reason_and_end() -> None:
    Path("rocketaudit.toml").write_text(
        "[drift]\nfail_on = 'unexpected'\n[drift.severities]\nsysctls = 'low'\n[[drift.allow]]\narea = 'trust-*'\n"
        "reason = 'tuned'\napproved_by = 'ada'\nexpires = 2999-01-01\n"
    )
    code, document = drift(put("a.json", SAME), put("b.json", set_fact(SAME, "ca_bundle:system#certificates", 3)))
    assert code == 0
    assert [change["decided_by"] for change in document["changes"]] == ["policy-allow"]
    assert document["policy"]["file"].startswith("rocketaudit.toml sha256:")


@pytest.mark.parametrize(
    "text",
    [
        "[drift]\nfail_on = 'integrity'",
        "[drift.severities]\nfiles = 'loud'",
        "[[drift.allow]]\narea = 'files'\nreason = 'x'\napproved_by = 'y'",
        "[[drift.allow]]\nreason = 'x'\napproved_by = 'y'\nexpires = 2999-01-01",
        "[[drift.ignore]]\nsubject = '**'\nreason = 'x'\napproved_by = 'y'\nexpires = 2999-01-01",
        "[[drift.ignore]]\narea = '?*'\nsubject = '*:*'\nreason = 'x'\napproved_by = 'y'\nexpires = 2999-01-01",
        "[[drift.allow]]\nwhere = 'files'",
        "[drift]\nallow = 'all'",
        "drift = 1",
    ],
)
def test_a_policy_that_cannot_be_meant_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rocketaudit.toml").write_text(text)
    assert main(["drift", put("a.json", SAME), "a.json"]) == 2
    assert "drift" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["-o", "pdf"], ["-o", "json="], ["-o", "json", "-o", "html"], ["--fail-on", "any"], ["--key", "no.pem"]]
)
def test_wrong_usage_is_two_and_a_missing_key_three(words: list[str]) -> None:
    assert main(["drift", put("a.json", SAME), "a.json", *words]) == (3 if "no.pem" in words else 2)


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"schema":"other"}', b"\xff{", b'{"header":{"schema":"x"}}', b""])
def test_a_side_that_is_nothing_that_we_read_is_three(content: bytes) -> None:
    Path("x.json").write_bytes(content)
    assert main(["drift", put("a.json", SAME), "x.json", "-q"]) == 3
    assert main(["drift", "x.json", "a.json", "-q"]) == 3


def test_every_output_is_written_and_the_console_leads_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = put("a.json", SAME), put("b.json", swap(SAME, "/usr/bin/a", sha256="99" * 32))
    words = [part for name in ("json", "html", "markdown", "sarif") for part in ("-o", f"{name}=out.{name}")]
    assert main(["drift", a, b, *words, "-o", "console"]) == 1
    assert "UNEXPECTED CHANGE" in capsys.readouterr().out
    assert all(Path(f"out.{name}").stat().st_size > 500 for name in ("json", "html", "markdown", "sarif"))


def test_a_signed_baseline_is_more_than_asserted_and_names_its_signer() -> None:
    private, public = keys()
    put("a.json", SAME)
    assert main(["baseline", "sign", "a.json", "--key", private, "-q"]) == 0
    assert main(["baseline", "verify", "a.json", "--key", public]) == 0
    _, document = drift("a.json", put("b.json", NEXT), "--key", public)
    assert document["sides"][0]["assurance"] == "signed-evidence"
    assert len(document["sides"][0]["signed_by"]) == 1
    assert not any("a.json is used unsigned" in note for note in document["notes"])


def test_a_baseline_that_was_changed_after_signing_is_not_used() -> None:
    private, public = keys()
    put("a.json", SAME)
    assert main(["baseline", "sign", "a.json", "--key", private, "-q"]) == 0
    put("a.json", set_fact(SAME, "sysctl:kernel.kptr_restrict", "0"))
    assert main(["baseline", "verify", "a.json", "--key", public]) == 1
    assert main(["drift", "a.json", "a.json", "--key", public, "-q"]) == 3
    assert main(["baseline", "show", "a.json"]) == 1
    assert main(["baseline", "sign", "a.json", "--key", private, "-q"]) == 3


def test_another_key_or_no_signature_is_no_signed_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    private, public = keys()
    put("a.json", SAME)
    assert main(["baseline", "verify", "a.json", "--key", public]) == 1
    assert "has no signature" in capsys.readouterr().err
    assert main(["baseline", "sign", "a.json", "--key", private, "-q"]) == 0
    shutil.copy("a.json.dsse", "kept")
    _, other = keys()
    assert main(["baseline", "verify", "a.json", "--key", other]) == 1
    assert main(["baseline", "verify", "a.json", "--key", other, "--key", other, "--threshold", "2"]) == 1


def test_a_key_for_a_baseline_that_cannot_be_signed_is_not_ignored() -> None:
    _, public = keys()
    report = report_of(put("a.json", SAME))
    assert main(["drift", report, "a.json", "--key", public, "-q"]) == 2


def test_a_manifest_signature_is_no_baseline_signature() -> None:
    from rocketaudit.formats.dsse import Envelope, dump_envelope, load_private_key, sign

    private, public = keys()
    put("a.json", SAME)
    key = load_private_key(Path(private).read_bytes(), None)
    payload = b"{}"
    for kind in ("application/vnd.in-toto+json", "application/json"):
        envelope = Envelope(kind, payload, (("", sign(key, kind, payload)),))
        Path("a.json.dsse").write_bytes(dump_envelope(envelope))
        assert main(["baseline", "verify", "a.json", "--key", public]) == 1


def test_two_keys_may_sign_one_baseline() -> None:
    put("a.json", SAME)
    publics = []
    for number in range(2):
        private, public = keys()
        assert main(["baseline", "sign", "a.json", "--key", private, "-q"]) == 0
        publics.append(shutil.move(public, f"{number}.pub"))
    words = [word for path in publics for word in ("--key", path)]
    assert main(["baseline", "verify", "a.json", *words, "--threshold", "2"]) == 0


def test_show_tells_an_unsigned_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "show", put("a.json", SAME)]) == 0
    assert "whoever can write the file" in capsys.readouterr().out


def report_of(name: str) -> str:
    assert main(["judge", name, "-o", f"json={name}.report", "--fail-on", "never"]) == 0
    return f"{name}.report"


def test_a_report_says_what_it_cannot_tell() -> None:
    one = report_of(put("a.json", SAME))
    code, document = drift(one, put("b.json", set_fact(SAME, "sysctl:kernel.kptr_restrict", "0")))
    assert code in (0, 1)
    assert {"partitions", "sysctls", "boot"} <= areas(document, "cannot-say")


def test_two_reports_tell_packages_and_rules_that_changed() -> None:
    one = report_of(put("a.json", SAME))
    newer = replace(SAME.packages[0], version="2.44")
    two = report_of(put("b.json", replace(NEXT, packages=(newer, *SAME.packages[1:]))))
    _, document = drift(one, two)
    packages = [
        change for change in document["changes"] if change["area"] == "packages" and "glibc" in change["subject"]
    ]
    assert packages and packages[0]["kind"] == "changed"


def test_a_bill_of_materials_is_compared_by_components() -> None:
    def bom(name: str, version: str) -> str:
        parts = [
            {"type": "library", "name": "glibc", "version": version, "purl": f"pkg:rpm/x/glibc@{version}"},
            {"type": "file", "name": "/usr/bin/a", "hashes": [{"alg": "SHA-256", "content": "ab" * 32}]},
        ]
        Path(name).write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}))
        return name

    code, document = drift(bom("a.json", "2.43"), bom("b.json", "2.44"))
    assert code == 1
    assert [(c["subject"], c["before"], c["after"]) for c in document["changes"] if c["area"] == "packages"] == [
        ("sbom:glibc", "2.43", "2.44")
    ]
    assert {"files", "packages"} & areas(document, "cannot-say") == set()
    assert "integrity" in areas(document, "cannot-say")
    assert drift("a.json", "a.json")[1]["counts"]["unexpected"] == 0


def test_policy_check_names_exceptions_that_no_longer_count(capsys: pytest.CaptureFixture[str]) -> None:
    rest = "reason = 'x'\napproved_by = 'ada'\nexpires = "
    Path("p.toml").write_text(
        f"[drift.severities]\nnonsense = 'low'\n[[drift.allow]]\narea = 'files'\n{rest}2020-01-01\n"
        f"[[drift.ignore]]\narea = 'nowhere'\n{rest}2999-01-01\n"
    )
    assert main(["policy", "check", "p.toml"]) == 1
    said = capsys.readouterr().err
    assert "expired on 2020-01-01" in said and "'nowhere'" in said and "'nonsense'" in said


def test_an_image_is_compared_with_its_own_evidence_and_with_another(
    small_erofs_image: Built, two_bank_image: Built
) -> None:
    assert main(["baseline", "create", str(small_erofs_image.path), "-o", "base.json", "-q"]) == 0
    code, document = drift("base.json", str(small_erofs_image.path))
    assert (code, document["changes"]) == (0, [])
    code, document = drift("base.json", str(two_bank_image.path))
    assert code == 1
    assert {"banks", "integrity"} <= areas(document)


def test_a_baseline_is_not_made_under_the_signature_of_another(small_erofs_image: Built) -> None:
    Path("base.json.dsse").write_text("x")
    assert main(["baseline", "create", str(small_erofs_image.path), "-o", "base.json", "-q"]) == 2


def sbom(name: str, version: str, package: str) -> str:
    said = [{"name": "rocketaudit:variant", "value": "aws-k8s-1.34"}, {"name": "other"}, 7]
    root = {"type": "operating-system", "name": "Bottlerocket", "version": version, "properties": said}
    library = {"type": "library", "name": "glibc", "version": package, "purl": f"pkg:rpm/bottlerocket/glibc@{package}"}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": root},
        "components": [library],
    }
    Path(name).write_text(json.dumps(document))
    return name


def test_bills_of_materials_of_two_releases_follow_from_each_other() -> None:
    older, newer = sbom("a.json", "1.62.0", "2.43-1"), sbom("b.json", "1.63.0", "2.44-1")
    code, document = drift(older, newer)
    assert (code, document["relation"], areas(document)) == (3, "upgrade", set())
    code, document = drift(older, newer, "--expect", "1.63.0")
    assert (code, document["relation"], areas(document)) == (0, "upgrade", set())
    code, document = drift(newer, older)
    assert (code, document["relation"], areas(document)) == (1, "downgrade", {"identity"})
    assert drift(older, older)[1]["relation"] == "same-release"
    code, document = drift(older, put("evidence.json", NEXT))
    assert document["relation"] == "upgrade"


def test_a_bill_of_materials_that_lists_no_packages_any_more_is_not_the_same() -> None:
    full = sbom("a.json", "1.62.0", "2.43-1")
    document = json.loads(Path(full).read_text())
    Path("b.json").write_text(json.dumps({**document, "components": []}))
    code, found = drift(full, "b.json")
    assert (code, areas(found)) == (3, set())
    assert drift("b.json", full)[0] == 0
    assert drift(put("e.json", SAME), "b.json")[0] == 3
    assert drift("e.json", full)[0] in (0, 1)  # a file that lists less by its kind


def test_a_report_of_an_older_release_is_a_downgrade() -> None:
    for name, evidence in (("old", SAME), ("new", NEXT)):
        main(["judge", put(f"{name}.e.json", evidence), "-q", "--fail-on", "never", "-o", f"json={name}.json"])
    code, document = drift("new.json", "old.json")
    assert (code, document["relation"]) == (1, "downgrade")
    told = {c["attribute"]: c["decided_by"] for c in document["changes"] if c["area"] == "identity"}
    assert told == {"version": "downgrade", "build": "downgrade"}


def test_evidence_that_a_scan_keeps_holds_as_much_as_what_drift_collects(small_erofs_image: Built) -> None:
    main(["scan", str(small_erofs_image.path), "-q", "--fail-on", "never", "-o", "evidence=e.json"])
    code, document = drift(str(small_erofs_image.path), "e.json")
    assert (code, document["changes"]) == (0, [])


def test_this_machine_may_be_a_baseline_for_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["baseline", "create", "node", "-o", "node.json", "-q"]) in (0, 3)
    assert main(["baseline", "show", "node.json"]) == 0
    assert "holds" in capsys.readouterr().out
    code, document = drift("node.json", "node")
    assert code in (0, 1, 3) and document["relation"] in ("same-release", "unrelated")
    assert [side["kind"] for side in document["sides"]] == ["evidence", "node"]
    assert areas(document) & {"identity", "kernel-arguments", "lockdown", "packages", "boot"} == set()


@pytest.mark.own_process  # the command forks, and does not where threads run
def test_large_files_are_read_by_two_processes_and_judged_as_small_ones(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = put("one.json", SAME), put("two.json", swap(SAME, SAME.files[0].path, mode=0o4755))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    alone = drift(one, two)
    monkeypatch.setattr(drift_ahead, "LARGE", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert drift(one, two) == alone
    whole = Path("two.json").read_text()
    for first, second in ((one, "bad.json"), ("bad.json", two), ("bad.json", "bad.json")):
        Path("bad.json").write_text(whole.replace('"gid":0', '"gid":1', 1))
        capfd.readouterr()
        assert main(["drift", first, second]) == 3
        said = capfd.readouterr().err
        assert "changed after it was written" in said and "Traceback" not in said
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
