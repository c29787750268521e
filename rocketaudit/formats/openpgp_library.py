"""The second opinion on an OpenPGP signature: Sequoia, through its Python bindings (the optional extra `openpgp`).

Sequoia is under the LGPL, so nobody gets it who did not ask. Its bindings take no moment and accept what GRUB does not
(text signatures, SHA-224, DSA); those rules are ours (`formats/openpgp.py`). A signature counts when both accept it.
"""

from __future__ import annotations

from rocketaudit.errors import MissingLibraryError, TrustError

EXTRA = "rocketaudit[openpgp]"


def confirm(certificate: bytes, signature: bytes, document: bytes, key: str) -> None:
    """TrustError unless Sequoia, too, finds that `key` of the certificate (a fingerprint) made the signature.

    MissingLibraryError when Sequoia is not installed.
    """
    try:
        import pysequoia
    except ImportError as error:
        raise MissingLibraryError(
            f"OpenPGP signatures need the library Sequoia, which is not installed: pip install '{EXTRA}'",
            hint="in a checkout: python3 run.py setup",
        ) from error
    try:
        certificates = pysequoia.Cert.split_bytes(certificate)
        detached = pysequoia.Sig.from_bytes(signature)
        found = pysequoia.verify(bytes=document, store=lambda _: certificates, signature=detached)
        makers = {one.signing_key.upper() for one in found.valid_sigs}
    except Exception as error:
        raise TrustError(f"OpenPGP signature is not accepted by Sequoia: {_first_line(error)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how the bindings report a defect of the library
            raise
        raise TrustError(f"OpenPGP signature stopped Sequoia: {_first_line(error)}") from error
    if key not in makers:
        raise TrustError(f"OpenPGP signature: Sequoia names another key than {key}")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
