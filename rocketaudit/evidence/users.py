"""Accounts of the image: who may log in with what. Password hashes never leave this module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import FACTORY, MAX_FACTS, ConfigFile, Facts, first_config, root_trees
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

_PLACES = ("/etc", f"{FACTORY}/etc", "/usr/lib")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        accounts = first_config(tree, *(f"{place}/passwd" for place in _PLACES))
        shadow = first_config(tree, *(f"{place}/shadow" for place in _PLACES))
        if accounts.state is not State.PRESENT:
            if accounts.state is State.UNREAD:
                yield facts.unread(Key("user", ("root",), "shell"), accounts.where, accounts.reason)
            continue
        passwords: dict[str, list[str]] = {}
        for name, fields in _rows(shadow):
            passwords.setdefault(name, fields)  # of two lines for one name the first counts
        times: Counter[str] = Counter()
        for name, fields in _rows(accounts):
            if len(fields) < 7:
                continue
            times[name] += 1
            subject = (name,) if times[name] == 1 else (name, str(times[name]))  # a second line is a second account
            for attribute, value in (("uid", fields[2]), ("home", fields[5]), ("shell", fields[6])):
                yield facts.present(Key("user", subject, attribute), value, accounts.where)
            key = Key("user", subject, "password")
            stored = fields[1] if fields[1] != "x" or name not in passwords else passwords[name][1]
            if stored == "x" and shadow.state is State.UNREAD:
                yield facts.unread(key, shadow.where, shadow.reason)
            else:
                where = shadow.where if name in passwords else accounts.where
                yield facts.present(key, _kind(stored), where)
        zero = sorted(name for name, fields in _rows(accounts) if len(fields) >= 7 and _is_zero(fields[2]))
        yield facts.present(Key("users", ("uid_zero",)), tuple(zero), accounts.where)
        yield facts.covers("user:*")


def _rows(found: ConfigFile) -> Iterator[tuple[str, list[str]]]:
    for line in found.data.decode("utf-8", "replace").splitlines()[:MAX_FACTS]:
        fields = line.split(":")
        if len(fields) >= 2 and fields[0] and not line.startswith("#"):
            yield fields[0], fields


def _is_zero(number: str) -> bool:
    """Whether the C library takes a user number for 0: strtoul(3) allows blanks, a sign and any count of zeros."""
    return number.strip().lstrip("+-").strip("0") == ""


def _kind(stored: str) -> str:
    if not stored:
        return "empty"
    return "locked" if stored[0] in "!*" or stored == "x" else "set"


STATIC = Collector("users", Plane.STATIC, ("user:*", "users:*"), _collect)
