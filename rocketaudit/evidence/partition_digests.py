"""SHA-256 of each partition of an image that holds part of the system; only a bill of materials asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from rocketaudit.errors import BudgetError, FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Content, Partition
from rocketaudit.model.evidence import Coverage, Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.reader import Reader
from rocketaudit.model.target import TargetKind
from rocketaudit.source.protocol import Source

PIECE = 4 << 20
MAX_BYTES = 16 << 30  # of all partitions; a table may claim far more than the file behind it has
_LEFT_OUT = (Content.BLANK, Content.UNREAD, Content.UNKNOWN)
_NOT_OF_THE_SYSTEM = ("private", "data")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    reader: Reader | None = getattr(source, "reader", None)
    if not wants.sha512 or reader is None or source.disk is None or source.target.kind is not TargetKind.IMAGE:
        return
    complete, left = True, MAX_BYTES
    for partition in source.disk.partitions:
        if partition.content in _LEFT_OUT or partition.scope.startswith(_NOT_OF_THE_SYSTEM):
            continue
        key = Key("partition", (str(partition.number),), "sha256")
        where = Locator(source.target.name, partition.scope, offset=partition.start)
        left -= partition.length
        try:
            if left < 0:
                raise FormatError(f"partitions of more than {MAX_BYTES} bytes are not read for their digests")
            value = _digest(reader, partition, source.budget)
        except (SourceError, FormatError, BudgetError, OSError) as error:
            complete = False
            yield Fact(key, Plane.STATIC, State.UNREAD, where, reason=str(error), scope=source.judged)
        else:
            yield Fact(key, Plane.STATIC, State.PRESENT, where, value, scope=source.judged)
    if complete:
        yield Coverage(Plane.STATIC, source.judged, "partition:*")


def _digest(reader: Reader, partition: Partition, budget: Budget) -> str:
    digest = sha256()
    for at in range(0, partition.length, PIECE):
        budget.check_time()
        digest.update(reader.read(partition.start + at, min(PIECE, partition.length - at)))
    return digest.hexdigest()


STATIC = Collector("partition_digests", Plane.STATIC, ("partition:*",), _collect)
