"""OpenPGP certificates: a primary key, what is bound to it, and which of its keys may sign when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.openpgp_check import (
    CREATED,
    EMBEDDED,
    FLAGS,
    KEY_EXPIRES,
    REVOCATION_REASON,
    problem_of,
    verifies,
)
from rocketaudit.formats.openpgp_packet import (
    PUBLIC_KEY,
    PUBLIC_SUBKEY,
    SIGNATURE,
    USER_ATTRIBUTE,
    USER_ID,
    PublicKey,
    Signature,
    pack,
    parse_key,
    parse_packets,
    parse_signature,
    remove_armour,
)
from rocketaudit.model.records import dataclass

DIRECT_KEY, SUBKEY_BINDING, PRIMARY_BINDING = 0x1F, 0x18, 0x19
KEY_REVOCATION, SUBKEY_REVOCATION, USER_REVOCATION = 0x20, 0x28, 0x30
_USER_CERTIFICATIONS = frozenset({0x10, 0x11, 0x12, 0x13})
REVOKED = "is revoked"
_CAN_SIGN = 0x02
_SOFT_REASONS = frozenset({1, 3})  # superseded, retired: what was signed before stays good


@dataclass(slots=True)
class _Component:
    """A user id or a subkey with the signatures that follow it."""

    tag: int
    body: bytes
    key: PublicKey | None
    signatures: list[Signature] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A primary key with what belongs to it; `skipped` says which parts could not be read, `raw` has them all."""

    primary: PublicKey
    direct: tuple[Signature, ...]
    components: tuple[_Component, ...] = field(repr=False)
    skipped: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)

    @property
    def fingerprint(self) -> str:
        return self.primary.fingerprint

    def every_key(self) -> Iterator[PublicKey]:
        """The primary key and the subkeys that could be read, whatever they may be used for."""
        yield self.primary
        yield from (one.key for one in self.components if one.key is not None)


def parse_certificates(key_file: bytes) -> tuple[Certificate, ...]:
    """The certificates in a key file, armoured or binary; FormatError when there is none."""
    found: list[Certificate] = []
    primary: PublicKey | None = None
    direct: list[Signature] = []
    components: list[_Component] = []
    skipped: list[str] = []
    raw_packets: list[bytes] = []

    def finish() -> None:
        if primary is not None:
            joined = b"".join(raw_packets)
            found.append(Certificate(primary, tuple(direct), tuple(components), tuple(skipped), joined))

    for tag, body in parse_packets(remove_armour(key_file)):
        try:
            if tag == PUBLIC_KEY:
                finish()
                primary, direct, components, skipped, raw_packets = None, [], [], [], []
                primary = parse_key(body)
            elif tag in (USER_ID, USER_ATTRIBUTE):
                components.append(_Component(tag, body, None))
            elif tag == PUBLIC_SUBKEY:
                components.append(_Component(tag, body, None))
                components[-1].key = parse_key(body)
            elif tag == SIGNATURE:
                (components[-1].signatures if components else direct).append(parse_signature(body))
        except UnsupportedError as error:
            skipped.append(error.message)
        raw_packets.append(pack(tag, body))
    finish()
    if not found:
        raise FormatError(f"no usable OpenPGP key{': ' + skipped[0] if skipped else ''}")
    return tuple(found)


def signing_keys(
    certificate: Certificate, moment: int, over: Signature | None = None
) -> Iterator[tuple[PublicKey, str]]:
    """Every key of a certificate with the reason why it may not sign at `moment`; "" when it may.

    `over` is the signature to judge: it must not be older than its key, and a soft revocation spares older ones.
    """
    primary = certificate.primary
    made = moment if over is None else over.number(CREATED) or 0
    broken = _primary_problem(certificate, moment, made)
    yield primary, broken or _flag_problem(certificate, moment)
    for component in certificate.components:
        if component.key is not None:
            yield component.key, broken or _subkey_problem(certificate, component, moment, made)


def _primary_problem(certificate: Certificate, moment: int, made: int) -> str:
    primary = certificate.primary
    revoked = _revocation(primary, certificate.direct, KEY_REVOCATION, primary.hashed_form, moment, made)
    if revoked:
        return revoked
    direct, user = _self_signatures(certificate, moment)
    if direct is None and user is None:
        return "has no valid self-signature"
    for signature in (direct, user):
        if signature is not None:
            problem = _lifetime_problem(primary, signature, moment, made)
            if problem:
                return problem
    return ""


def _lifetime_problem(key: PublicKey, binding: Signature, moment: int, made: int) -> str:
    if key.created > min(moment, made):
        return "is younger than the signature"
    lifetime = binding.number(KEY_EXPIRES)
    return "has expired" if lifetime and key.created + lifetime <= moment else ""


def _flag_problem(certificate: Certificate, moment: int) -> str:
    """The newest self-signature with usage flags decides; without any the algorithm does, and ours all sign."""
    flagged = [one.find(FLAGS) for one in _self_signatures(certificate, moment) if one is not None]
    for flags in flagged:
        if flags is not None and not (flags[:1] and flags[0] & _CAN_SIGN):
            return "is not for signing"
    return ""


def _self_signatures(certificate: Certificate, moment: int) -> tuple[Signature | None, Signature | None]:
    """The newest valid direct-key signature, and the newest valid certification of a user id that is not revoked."""
    primary = certificate.primary
    direct = _newest(primary, certificate.direct, {DIRECT_KEY}, primary.hashed_form, moment)
    users: list[Signature] = []
    for component in certificate.components:
        if component.tag not in (USER_ID, USER_ATTRIBUTE):
            continue
        mark = b"\xb4" if component.tag == USER_ID else b"\xd1"
        content = primary.hashed_form + mark + len(component.body).to_bytes(4, "big") + component.body
        newest = _newest(primary, component.signatures, _USER_CERTIFICATIONS, content, moment)
        revoked = _newest(primary, component.signatures, {USER_REVOCATION}, content, moment)
        if newest is not None and (revoked is None or _created(revoked) < _created(newest)):
            users.append(newest)
    return direct, max(users, key=_created, default=None)


def _created(signature: Signature) -> int:
    return signature.number(CREATED) or 0


def _newest(
    key: PublicKey, signatures: Iterable[Signature], kinds: Iterable[int], content: bytes, moment: int
) -> Signature | None:
    """The youngest signature of these kinds that `key` validly made over `content`."""
    wanted = frozenset(kinds)
    good = [one for one in signatures if one.type in wanted and not problem_of(one, moment)]
    for signature in sorted(good, key=_created, reverse=True):
        if verifies(key, signature, content):
            return signature
    return None


def _subkey_problem(certificate: Certificate, component: _Component, moment: int, made: int) -> str:
    subkey, primary = component.key, certificate.primary
    assert subkey is not None
    content = primary.hashed_form + subkey.hashed_form
    revoked = _revocation(primary, component.signatures, SUBKEY_REVOCATION, content, moment, made)
    if revoked:
        return revoked
    binding = _newest(primary, component.signatures, {SUBKEY_BINDING}, content, moment)
    if binding is None:
        return "has no valid binding"
    flags = binding.find(FLAGS)
    if not flags or not flags[0] & _CAN_SIGN:
        return "is not for signing"
    embedded = [one.body for one in (*binding.hashed, *binding.unhashed) if one.type == EMBEDDED]
    if not any(_is_back_signature(subkey, body, content, moment) for body in embedded[:4]):
        return "does not confirm its primary key"
    return _lifetime_problem(subkey, binding, moment, made)


def _is_back_signature(subkey: PublicKey, body: bytes, content: bytes, moment: int) -> bool:
    try:
        signature = parse_signature(body)
    except FormatError:
        return False
    return _newest(subkey, [signature], {PRIMARY_BINDING}, content, moment) is not None


def _revocation(
    primary: PublicKey,
    signatures: Iterable[Signature],
    kind: int,
    content: bytes,
    moment: int,
    made: int,
) -> str:
    """Whether `key` is revoked: for good by a hard reason, from its date on by a soft one."""
    for signature in signatures:
        if signature.type != kind or not verifies(primary, signature, content, is_revocation=True):
            continue
        reason = signature.find(REVOCATION_REASON)
        is_soft = bool(reason) and reason is not None and reason[0] in _SOFT_REASONS
        if not is_soft or _created(signature) <= max(moment, made):
            return REVOKED
    return ""
