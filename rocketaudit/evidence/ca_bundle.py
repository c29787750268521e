"""The certificate authorities that the image trusts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import FACTORY, Facts, first_config, root_trees, wanted
from rocketaudit.formats.ca_bundle import parse_ca_bundle
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.source.protocol import Source

PLACES = tuple(
    f"{base}/{path}"
    for base in ("/etc", f"{FACTORY}/etc")
    for path in (
        "pki/tls/certs/ca-bundle.crt",
        "ssl/certs/ca-certificates.crt",
        "ssl/cert.pem",
        "ssl/certs/ca-bundle.crt",
    )
)
_ATTRIBUTES = ("certificates", "unreadable", "weak", "not_authorities", "earliest_expiry")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    if not any(wanted(wants, "ca_bundle")):
        return
    for tree in root_trees(source):
        facts = Facts(tree)
        found = first_config(tree, *PLACES)
        keys = tuple(Key("ca_bundle", ("system",), name) for name in _ATTRIBUTES)
        if found.state is not State.PRESENT:
            yield from (facts.of_file(key, found) for key in keys)
            continue
        try:
            bundle = parse_ca_bundle(found.data)
        except FormatError as error:
            yield from (facts.unread(key, found.where, str(error)) for key in keys)
            continue
        ends = [datetime.fromtimestamp(c.not_after, UTC).date().isoformat() for c in bundle.certificates]
        values: tuple[JsonValue, ...] = (
            len(bundle.certificates),
            bundle.problems[:50],
            tuple(c.subject for c in bundle.certificates if c.weak),
            tuple(c.subject for c in bundle.certificates if not c.is_authority),
            min(ends, default=""),
        )
        for key, value in zip(keys, values, strict=True):
            yield facts.present(key, value, found.where)


STATIC = Collector("ca_bundle", Plane.STATIC, ("ca_bundle:*",), _collect)
