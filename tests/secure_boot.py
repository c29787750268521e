"""EFI programs and certificates made to order, signed with the real tools."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support import find_tool

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def build_pe(sections, trailing=b""):
    """A PE32+ image for x86-64 with these sections (name to bytes); long names go to the string table."""
    headers_size = 0x400
    strings, table, bodies = b"", b"", b""
    address = 0x1000
    for name, body in sections.items():
        raw = body.ljust(-(-len(body) // 512) * 512, b"\0")
        encoded = name.encode()
        if len(encoded) > 8:
            encoded, strings = f"/{4 + len(strings)}".encode(), strings + name.encode() + b"\0"
        table += struct.pack(
            "<8sIIIIIIHHI",
            encoded,
            len(body),
            address,
            len(raw),
            headers_size + len(bodies),
            0,
            0,
            0,
            0,
            0x40000040,
        )
        bodies += raw
        address += -(-max(len(body), 1) // 0x1000) * 0x1000
    string_table = struct.pack("<I", 4 + len(strings)) + strings if strings else b""
    symbols = headers_size + len(bodies) if strings else 0
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, len(sections), 0, symbols, 0, 240, 0x22E)
    optional = struct.pack("<HBBIIIII", 0x20B, 2, 40, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0, 4096, 512, 0, 0, 0, 0, 0, 0, 0, address, headers_size, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(128)
    return (dos + coff + optional + table).ljust(headers_size, b"\0") + bodies + string_table + trailing


def vendor_section(certificate=b"", forbidden=b""):
    """shim's .vendor_cert."""
    return struct.pack("<IIII", len(certificate), len(forbidden), 16, 16 + len(certificate)) + certificate + forbidden


@dataclass
class Identity:
    """A key with a certificate; `issuer` is another identity or None for a self-signed one."""

    name: str
    issuer: Identity | None = None
    is_authority: bool = False
    days: int = 3650
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)

    def __post_init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        above = self.issuer or self
        issuer = subject if self.issuer is None else self.issuer.certificate.subject
        start = NOW - timedelta(days=400)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=self.days))
            .add_extension(x509.BasicConstraints(self.is_authority, None), critical=True)
        )
        if self.purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.purposes), critical=False)
        self.certificate = builder.sign(above.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def write(self, folder):
        """(key file, certificate file), both PEM."""
        key, certificate = folder / f"{self.name}.key", folder / f"{self.name}.pem"
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        certificate.write_bytes(self.pem)
        return key, certificate


def sbsign(folder, image, identity, *extra):
    """The image with one more signature, by sbsign; `extra` identities are carried along."""
    key, certificate = identity.write(folder)
    source, target = folder / "unsigned.efi", folder / "signed.efi"
    source.write_bytes(image)
    target.unlink(missing_ok=True)
    command = [find_tool("sbsign"), "--key", key, "--cert", certificate, "--output", target]
    for other in extra:
        command += ["--addcert", other.write(folder)[1]]
    subprocess.run([*command, source], check=True, capture_output=True)
    return target.read_bytes()


def osslsigncode_accepts(folder, image, authority):
    """Whether osslsigncode verifies the image against this CA."""
    path = folder / "check.efi"
    path.write_bytes(image)
    done = subprocess.run(
        [find_tool("osslsigncode"), "verify", "-CAfile", authority.write(folder)[1], "-in", path],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def signature_list(kind, *entries):
    """One EFI_SIGNATURE_LIST of entries of equal size."""
    size = 16 + len(entries[0])
    body = b"".join(bytes(16) + entry for entry in entries)
    return kind + struct.pack("<III", 28 + len(body), 0, size) + body
