"""Records of our own decorator behave as those of the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Ours:
    """A record."""

    name: str
    parts: list[str] = dataclasses.field(default_factory=list)
    size: int = 3
    hidden: bytes = dataclasses.field(default=b"", repr=False)
    cache: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """A record."""

    name: str
    parts: list[str] = dataclasses.field(default_factory=list)
    size: int = 3
    hidden: bytes = dataclasses.field(default=b"", repr=False)
    cache: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Checked:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("negative")


@dataclass(frozen=True, slots=True)
class Empty:
    pass


def test_says_the_same_of_itself_as_the_library() -> None:
    for arguments in (("a",), ("a", ["x"], 4, b"secret", {"k": 1})):
        assert repr(Ours(*arguments)) == repr(Theirs(*arguments)).replace("Theirs", "Ours")
        assert dataclasses.asdict(Ours(*arguments)) == dataclasses.asdict(Theirs(*arguments))
    assert [field.name for field in dataclasses.fields(Ours)] == [field.name for field in dataclasses.fields(Theirs)]
    assert Ours.__match_args__ == Theirs.__match_args__
    assert Ours.__slots__ == Theirs.__slots__


def test_equal_records_are_those_of_equal_compared_fields_and_one_class() -> None:
    assert Ours("a", cache={"k": 1}) == Ours("a")
    assert Ours("a") != Ours("b")
    assert Ours("a") != Theirs("a")
    assert hash(Checked(1)) == hash(Checked(1))
    assert Empty() == Empty() and hash(Empty()) == hash(Empty())
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours("a"))


def test_defaults_are_made_anew() -> None:
    first, second = Ours("a"), Ours("a")
    first.parts.append("x")
    assert second.parts == []


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_are_equal(again: Callable[[Ours], Ours]) -> None:
    one = Ours("a", ["x"], 4, b"y", {"k": 1})
    assert again(one) == one and again(one).cache == {"k": 1}


def test_no_field_can_be_set_or_deleted() -> None:
    one: Any = Ours("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.other = 1
    assert dataclasses.replace(one, name="b") == Ours("b")


def test_checks_of_a_class_run_for_every_record() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            Checked(-1)
    with pytest.raises(ValueError, match="negative"):
        dataclasses.replace(Checked(1), number=-1)


def test_wrong_arguments_are_refused_by_name() -> None:
    made: Any = Checked
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Checked\.__init__\(\) missing 1 required positional argument: 'number'"):
            made()


def test_what_is_not_supported_is_refused_where_it_is_defined() -> None:
    with pytest.raises(TypeError, match="not supported"):

        @dataclass(frozen=True, slots=True)
        class _Odd:
            name: str = dataclasses.field(default="", init=False)


def test_other_classes_are_the_librarys() -> None:
    @dataclass(slots=True)
    class Open:
        number: int

    one = Open(1)
    one.number = 2
    assert one == Open(2)
