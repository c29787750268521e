"""A TUF repository made to order: real keys and signatures, every part open to tampering."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from securesystemslib.formats import encode_canonical

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
LATER = (NOW + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"  # fractions, as Bottlerocket writes them
PAST = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(value):
    return encode_canonical(value).encode()


@dataclass
class Signer:
    kind: str = "ed25519"
    private: object = field(init=False)

    def __post_init__(self):
        self.private = {
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        }[self.kind]()

    def public(self):
        key = self.private.public_key()
        if self.kind == "ed25519":
            raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
            return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": raw}}
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        scheme = {"rsa": "rsassa-pss-sha256", "ecdsa": "ecdsa-sha2-nistp256"}[self.kind]
        return {"keytype": self.kind, "scheme": scheme, "keyval": {"public": pem}}

    @property
    def id(self):
        return hashlib.sha256(canonical(self.public())).hexdigest()

    def sign(self, payload):
        if self.kind == "ed25519":
            return self.private.sign(payload).hex()
        if self.kind == "rsa":
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return self.private.sign(payload, pss, hashes.SHA256()).hex()
        return self.private.sign(payload, ec.ECDSA(hashes.SHA256())).hex()


def envelope(signed, signers):
    payload = canonical(signed)
    signatures = [{"keyid": signer.id, "sig": signer.sign(payload)} for signer in signers]
    return json.dumps({"signed": signed, "signatures": signatures}, indent=1).encode()


class Repository:
    """Two root keys of which both must sign, one key for each other role; call `build` after changing anything."""

    def __init__(self, kinds=("ed25519", "rsa", "ecdsa")):
        self.root_keys = [Signer(kinds[0]), Signer(kinds[1 % len(kinds)]), Signer(kinds[2 % len(kinds)])]
        self.role_keys = {role: [Signer(kinds[0])] for role in ("timestamp", "snapshot", "targets")}
        self.expires = dict.fromkeys(("root", "timestamp", "snapshot", "targets"), LATER)
        self.version = dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1)
        self.threshold = dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1) | {"root": 2}
        self.contents = {"image.img.lz4": b"the image", "boot.ext4.lz4": b"the boot partition"}
        self.delegations = None
        self.delegated = {}
        self.extra_root_signers = []

    def root_body(self):
        keys = {signer.id: signer.public() for signer in self.root_keys}
        for signers in self.role_keys.values():
            keys |= {signer.id: signer.public() for signer in signers}
        roles = {
            name: {"keyids": [signer.id for signer in signers], "threshold": self.threshold[name]}
            for name, signers in {"root": self.root_keys, **self.role_keys}.items()
        }
        return self.body("root") | {"consistent_snapshot": True, "keys": keys, "roles": roles}

    def body(self, role):
        return {
            "_type": role,
            "spec_version": "1.0.0",
            "version": self.version[role],
            "expires": self.expires[role],
        }

    def root(self):
        return envelope(self.root_body(), [*self.root_keys, *self.extra_root_signers])

    def targets_body(self):
        body = self.body("targets")
        body["targets"] = {
            name: {"length": len(content), "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
            for name, content in self.contents.items()
        }
        if self.delegations is not None:
            body["delegations"] = self.delegations
        return body

    def build(self):
        """All metadata files by name."""
        targets = envelope(self.targets_body(), self.role_keys["targets"])
        meta = {"targets.json": pin(self.version["targets"], targets)}
        files = {f"{self.version['targets']}.targets.json": targets}
        for name, (signed, signers) in self.delegated.items():
            raw = envelope(signed, signers)
            meta[f"{name}.json"] = pin(signed["version"], raw)
            files[f"{signed['version']}.{name}.json"] = raw
        snapshot = envelope(self.body("snapshot") | {"meta": meta}, self.role_keys["snapshot"])
        files[f"{self.version['snapshot']}.snapshot.json"] = snapshot
        stamp = self.body("timestamp") | {"meta": {"snapshot.json": pin(self.version["snapshot"], snapshot)}}
        files["timestamp.json"] = envelope(stamp, self.role_keys["timestamp"])
        files[f"{self.version['root']}.root.json"] = self.root()
        return files


def pin(version, raw):
    return {"version": version, "length": len(raw), "hashes": {"sha256": hashlib.sha256(raw).hexdigest()}}
