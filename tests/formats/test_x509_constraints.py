"""Paths that OpenSSL refuses, as firmware and shim call it, are refused: made with odd authorities, judged by both."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from rocketaudit.errors import TrustError
from rocketaudit.formats.x509_path import find_path
from tests.support import find_tool, needs_tools

AUTHORITY = (x509.BasicConstraints(True, None), True)
ODD = ObjectIdentifier("1.3.6.1.4.1.55555.1")


def usage(*, certificates: bool, signatures: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(signatures, False, not signatures, False, False, certificates, False, False, False)


class Made:
    """A key and its certificate, with these (extension, is critical)."""

    def __init__(self, name, issuer=None, *extensions, subject=None, days=3650):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject or name)])
        above = issuer or self
        start = datetime.now(UTC) - timedelta(days=400)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(above.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        self.certificate = builder.sign(above.key, hashes.SHA256())


ROOT = Made("root", None, AUTHORITY)


def below(*extensions, top=ROOT, depth=1, leaf=(), days=3650):
    """(leaf, authorities between, anchor): `depth` authorities below `top`, the first with these extensions."""
    chain = []
    above = top
    for number in range(depth):
        above = Made(f"middle {number}", above, *(extensions if number == 0 else (AUTHORITY,)), days=days)
        chain.append(above)
    return Made("leaf", above, *leaf), chain, top


def pathlen(length):
    return (x509.BasicConstraints(True, length), True)


CASES = {
    "plain": (below(AUTHORITY), True),
    "three authorities": (below(AUTHORITY, depth=3), True),
    "expired authority": (below(AUTHORITY, days=10), True),  # no date counts
    "key usage for certificates": (below(AUTHORITY, (usage(certificates=True), True)), True),
    "key usage without certificates": (below(AUTHORITY, (usage(certificates=False), True)), False),
    "anchor without certificates in its key usage": (
        below(AUTHORITY, top=Made("top", None, AUTHORITY, (usage(certificates=False), True))),
        False,
    ),
    "no authority": (below((x509.BasicConstraints(False, None), True)), False),
    "no basic constraints": (below(), False),
    "path length that suffices": (below(pathlen(0)), True),
    "path length of the first authority exceeded": (below(pathlen(0), depth=2), False),
    "path length of the anchor exceeded": (below(AUTHORITY, top=Made("t", None, pathlen(0))), False),
    "path length of the anchor suffices": (below(AUTHORITY, top=Made("t", None, pathlen(1))), True),
    "unknown critical extension": (below(AUTHORITY, (x509.UnrecognizedExtension(ODD, b"\x05\0"), True)), False),
    "unknown critical extension of the signer": (
        below(AUTHORITY, leaf=((x509.UnrecognizedExtension(ODD, b"\x05\0"), True),)),
        False,
    ),
    "unknown extension": (below(AUTHORITY, (x509.UnrecognizedExtension(ODD, b"\x05\0"), False)), True),
    "name constraints that forbid the signer": (
        below(
            AUTHORITY,
            (x509.NameConstraints([x509.DirectoryName(x509.Name([]))], None), True),
            leaf=((x509.SubjectAlternativeName([x509.DNSName("a.example")]), False),),
        ),
        False,
    ),
    "other purpose": (
        below(AUTHORITY, leaf=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),)),
        True,
    ),
    "signer for encryption": (below(AUTHORITY, leaf=((usage(certificates=False, signatures=False), True),)), True),
}


def openssl_accepts(folder, leaf, between, anchor):
    """As EDK II and shim ask: any purpose, no dates, a given certificate ends the path."""
    for name, certificates in (("leaf", [leaf]), ("between", between), ("anchor", [anchor])):
        pem = b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in certificates)
        (folder / name).write_bytes(pem)
    command = [find_tool("openssl"), "verify", "-partial_chain", "-no_check_time", "-purpose", "any"]
    command += ["-trusted", folder / "anchor", "-untrusted", folder / "between", folder / "leaf"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", CASES)
def test_a_path_passes_where_openssl_lets_it_pass(name, tmp_path):
    needs_tools("openssl")
    (leaf, between, anchor), expected = CASES[name]
    pool = [one.certificate for one in between]
    if expected:
        assert find_path(leaf.certificate, pool, [anchor.certificate])[-1] == anchor.certificate
    else:
        with pytest.raises(TrustError):
            find_path(leaf.certificate, pool, [anchor.certificate])
    if not name.startswith("name constraints"):  # refused by us whatever they say
        assert openssl_accepts(tmp_path, leaf, between, anchor) == expected


def test_name_constraints_are_refused_and_said():
    (leaf, between, anchor), _ = CASES["name constraints that forbid the signer"]
    with pytest.raises(TrustError, match="constrains the names"):
        find_path(leaf.certificate, [one.certificate for one in between], [anchor.certificate])


def test_a_certificate_of_version_one_issues_nothing_unless_it_is_a_root(tmp_path):
    """Before extensions there was no way to say "no authority": anybody with such a certificate could be one."""
    needs_tools("openssl")

    def openssl(*words):
        subprocess.run([find_tool("openssl"), *words], cwd=tmp_path, check=True, capture_output=True)

    for name in ("root", "middle", "leaf"):
        openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.req",
            "-subj",
            f"/CN={name}",
        )
    openssl("x509", "-req", "-in", "root.req", "-signkey", "root.key", "-out", "root.pem")
    openssl(
        "x509",
        "-req",
        "-in",
        "middle.req",
        "-CA",
        "root.pem",
        "-CAkey",
        "root.key",
        "-CAcreateserial",
        "-out",
        "middle.pem",
    )
    openssl(
        "x509",
        "-req",
        "-in",
        "leaf.req",
        "-CA",
        "middle.pem",
        "-CAkey",
        "middle.key",
        "-CAcreateserial",
        "-out",
        "leaf.pem",
    )
    root, middle, leaf = (
        x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes()) for name in ("root", "middle", "leaf")
    )
    assert middle.version is x509.Version.v1
    assert find_path(middle, [], [root]) == (middle, root)
    with pytest.raises(TrustError, match="no given certificate"):
        find_path(leaf, [middle], [root])
