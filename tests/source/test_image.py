"""Disk images told apart by what they hold: layouts, banks, boot entries, scopes."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import BootKind, Content, Layout
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.image import ImageSource, open_image
from tests.images import Built


def opened(path: Path) -> ImageSource:
    return open_image(path, budget=Budget(), tmp_dir=None, progress=NoProgress())


def test_two_bank_image_with_an_empty_bank_b(small_erofs_image: Built) -> None:
    source = opened(small_erofs_image.path)
    assert source.disk.layout is Layout.GRUB_TWO_BANKS
    bank_a, bank_b = source.disk.banks
    assert (bank_a.boots_next, bank_a.populated, bank_a.successful, bank_a.priority) == (True, True, True, 1)
    assert (bank_b.boots_next, bank_b.populated, bank_b.will_boot) == (False, False, False)
    assert source.judged == "bank-a"
    assert {p.scope: p.content for p in source.disk.partitions}["bank-a"] is Content.EROFS
    (entry,) = source.disk.boot_entries
    assert (entry.kind, entry.bank, entry.scope, entry.is_default) == (BootKind.GRUB, "bank-a", "boot-a", True)
    assert small_erofs_image.verity["A"].root_hash in entry.verity_table
    source.close()
