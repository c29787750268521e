"""A fact: what was seen under a key, where, or why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from rocketaudit.model.records import dataclass

JsonValue = str | int | float | bool | None | tuple["JsonValue", ...] | Mapping[str, "JsonValue"]


class Plane(StrEnum):
    """Where a fact holds: in the bytes that were shipped, or in the running system."""

    STATIC = "static"
    RUNTIME = "runtime"


class State(StrEnum):
    """`absent` is an answer; `unread` is not."""

    PRESENT = "present"
    ABSENT = "absent"
    UNREAD = "unread"


class Assurance(StrEnum):
    """How we know: this process read the bytes; a signed file says so; somebody says so."""

    DIRECT = "direct"
    SIGNED_EVIDENCE = "signed-evidence"
    ASSERTED = "asserted"


@dataclass(frozen=True, slots=True)
class Locator:
    """Where something was seen. `source` is the target or the socket; `path` is BytePath text; `offset` in bytes."""

    source: str = ""
    partition: str = ""
    path: str | None = None
    offset: int | None = None
    digest: str | None = None

    def __str__(self) -> str:
        text = ":".join(part for part in (self.partition or self.source, self.path) if part)
        return text if self.offset is None else f"{text}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Key:
    """`namespace:subject#attribute`; several subjects, or one with `#` or a leading `[`, are a JSON list."""

    namespace: str
    subject: tuple[str, ...]
    attribute: str = ""

    def __str__(self) -> str:
        first = self.subject[0] if self.subject else ""
        plain = len(self.subject) == 1 and "#" not in first and not first.startswith("[")
        text = first if plain else json.dumps(list(self.subject), ensure_ascii=False, separators=(",", ":"))
        return f"{self.namespace}:{text}" + (f"#{self.attribute}" if self.attribute else "")

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key that is written so; ValueError when it is none."""
        namespace, colon, rest = text.partition(":")
        if not colon or not namespace:
            raise ValueError(f"not a key: {text!r}")
        if rest.startswith("["):
            subject, end = json.JSONDecoder().raw_decode(rest)
            if not all(isinstance(part, str) for part in subject):
                raise ValueError(f"not a key: {text!r}")
            tail = rest[end:]
            if tail and not tail.startswith("#"):
                raise ValueError(f"not a key: {text!r}")
            return cls(namespace, tuple(subject), tail[1:])
        plain, _, attribute = rest.partition("#")
        return cls(namespace, (plain,), attribute)


@dataclass(frozen=True, slots=True)
class Fact:
    """What was seen under `key` in `scope` (bank-a, bank-b, boot-a, node, root ...), or why it was not.

    Unique by key, plane and scope. `value` is set only when present; `reason` only when unread.
    """

    key: Key
    plane: Plane
    state: State
    where: Locator
    value: JsonValue = None
    reason: str = ""
    scope: str = ""
