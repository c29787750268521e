"""The FIPS checksum beside the kernel: HMAC-SHA-512 under a key that everybody knows, a self-test and no signature."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import Facts, read_config, root_trees, wanted
from rocketaudit.evidence.kernel_config import boot_tree
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

MATCHES = Key("kernel_hmac", ("vmlinuz",), "matches")
MAX_KERNEL = 256 << 20
_KEY = b"FIPS-FTW-RHT2009"  # public: libkcapi's sha512hmac, as Bottlerocket's image builder calls it


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    if not any(wanted(wants, "kernel_hmac")):
        return
    for tree in root_trees(source):
        boot = boot_tree(source, tree.scope)
        if boot is None:
            continue
        facts = Facts(tree)
        stated = read_config(boot, "/.vmlinuz.hmac")
        if stated.state is not State.PRESENT:
            yield facts.of_file(MATCHES, stated)
            continue
        kernel = read_config(boot, "/vmlinuz", MAX_KERNEL)
        if kernel.state is not State.PRESENT:
            yield facts.unread(MATCHES, kernel.where, kernel.reason or "there is a checksum and no kernel")
            continue
        digest = hmac.new(_KEY, kernel.data, hashlib.sha512).hexdigest().encode()
        wanted_digest = (stated.data.split() or [b""])[0].lower()
        yield facts.present(MATCHES, hmac.compare_digest(digest, wanted_digest), stated.where)


STATIC = Collector("kernel_hmac", Plane.STATIC, ("kernel_hmac:*",), _collect)
