"""`dataclass` as in the standard library, but a frozen one with slots costs a quarter to define.

Before Python 3.13 the library compiles six methods for each: for the 250 classes that a scan loads, 0.15 s of every
start (measured on 3.11). Here only `__init__` is compiled, when the first record is made; the others are shared code
over the names of the fields. Drop this file when 3.13 is the oldest Python we run on.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from typing import Any
else:

    def dataclass(cls=None, /, **options):
        """Frozen classes with slots get the methods below; all others go to the library."""
        if cls is None:
            return lambda made: dataclass(made, **options)
        if options != {"frozen": True, "slots": True}:
            return dataclasses.dataclass(cls, **options)
        if not cls.__doc__:
            cls.__doc__ = f"{cls.__name__}({', '.join(cls.__annotations__)})"  # as the library, but not by inspection
        return _add_methods(dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=True))


def _add_methods(cls: Any) -> Any:
    fields = dataclasses.fields(cls)
    if any(not field.init or field.kw_only for field in fields):
        raise TypeError(f"{cls.__qualname__}: fields outside of __init__ or by keyword only are not supported")
    values = _reader([field.name for field in fields])
    compared = _reader([field.name for field in fields if field.compare])
    shown = [field.name for field in fields if field.repr]

    def make(self: Any, *given: Any, **named: Any) -> None:
        cls.__init__ = _compile_init(cls, fields)
        cls.__init__(self, *given, **named)

    def show(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def equals(self: Any, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    methods = {
        "__init__": make,
        "__repr__": show,
        "__eq__": equals,
        "__hash__": lambda self: hash(compared(self)),
        "__reduce__": lambda self: (cls, values(self)),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
    }
    for name, method in methods.items():
        if vars(cls).get(name) is None:  # None: no hash, as Python says of a class with an __eq__ of its own
            setattr(cls, name, method)
    return cls


def _reader(names: list[str]) -> Any:
    """A function from a record to the tuple of these fields."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _refuse(_: object, name: str, *__: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _compile_init(cls: Any, fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    scope: dict[str, Any] = {"__absent": dataclasses.MISSING}
    parameters, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        scope[f"__set_{name}"] = vars(cls)[name].__set__  # of the slot itself: found once, not at every call
        if field.default is not dataclasses.MISSING:
            scope[f"__default_{name}"] = field.default
            name = f"{name}=__default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            scope[f"__make_{name}"] = field.default_factory
            name, value = f"{name}=__absent", f"__make_{name}() if {name} is __absent else {name}"
        parameters.append(name)
        lines.append(f"    __set_{field.name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or "    pass"), scope)  # noqa: S102 - our names
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made
