"""Sign a bill of materials and check who signed it: inside the document (JSF), or in an envelope around it (DSSE)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.key_files import read_passphrase, read_private_key_file, read_public_keys
from rocketaudit.cli.output import print_bytes, write_file
from rocketaudit.errors import FormatError, TrustError, UsageError
from rocketaudit.formats.dsse import Envelope, dump_envelope, key_id, load_private_key, parse_envelope, sign
from rocketaudit.formats.dsse import verify_envelope as verify_dsse
from rocketaudit.formats.jsf import sign_document, verify_document
from rocketaudit.formats.strict_json import loads
from rocketaudit.report.layout import lay_out

PAYLOAD_TYPE = "application/vnd.cyclonedx+json"
MAX_DOCUMENT = 512 << 20
_FORMS = ("jsf", "dsse")


def sign_sbom(path: Path, keys: list[Path], outputs: list[str]) -> int:
    """Write the signed document over `path`, or where the outputs say: jsf=PATH, dsse=PATH."""
    wanted = [word.partition("=") for word in outputs or [f"jsf={path}"]]
    if len(keys) != 1 or any(name not in _FORMS or not file for name, _, file in wanted):
        raise UsageError(
            "sign takes one key, and writes jsf=PATH or dsse=PATH", hint="sbom sign SBOM.json --key KEY.pem"
        )
    data = read_input(path, MAX_DOCUMENT)
    document = _cyclonedx(data)
    raw = read_private_key_file(keys[0])
    try:
        key = load_private_key(raw, read_passphrase(raw, None))
    except FormatError as error:
        raise UsageError(f"{keys[0]}: {error.message}") from error
    for name, _, file in wanted:
        if name == "jsf":
            write_file(Path(file), lay_out(sign_document(document, key)))
        else:
            signature = (key_id(key.public_key()), sign(key, PAYLOAD_TYPE, data))
            write_file(Path(file), dump_envelope(Envelope(PAYLOAD_TYPE, data, (signature,))))
    return 0


def verify_sbom(path: Path, keys: list[Path], *, quiet: bool) -> int:
    """Say which of the keys signed a document or an envelope; TrustError when none did."""
    if not keys:
        raise UsageError("verify needs the key that you trust", hint="sbom verify SBOM.json --key PUBLIC.pem")
    trusted = read_public_keys(keys)
    data = read_input(path, MAX_DOCUMENT)
    record = loads(data, what="bill of materials", max_bytes=MAX_DOCUMENT)
    if isinstance(record, dict) and "payloadType" in record:
        envelope = parse_envelope(data, max_bytes=MAX_DOCUMENT)
        signers = verify_dsse(envelope, trusted)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise TrustError(f"the envelope holds {envelope.payload_type[:80]!r}, not a CycloneDX document")
        _cyclonedx(envelope.payload)
    else:
        signers = (verify_document(_cyclonedx(data), trusted),)
    if not quiet:
        print_bytes("".join(f"signed by {signer}\n" for signer in signers).encode())
    return 0


def _cyclonedx(data: bytes) -> dict[str, Any]:
    document = loads(data, what="bill of materials", max_bytes=MAX_DOCUMENT)
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise FormatError("not a CycloneDX document in JSON")
    return document
