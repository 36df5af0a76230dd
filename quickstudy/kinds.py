"""Whether values are of the kinds that annotations name: they come as JSON, from files and from command lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NUMBERS = {int: Integral, float: Real}  # those of NumPy, too
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null"}


def check_fields(asked: Any) -> None:
    """Raises TypeError where a field of a dataclass holds what its annotation does not allow."""
    for name, kind in get_type_hints(type(asked)).items():
        if not fits(getattr(asked, name), kind):
            raise TypeError(f"{name} is {worded(kind)}, got {getattr(asked, name)!r}")


def check_options(make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises ValueError where an option of a function or a class is what its annotation does not allow; names that it
    does not have are left to whoever calls it."""
    kinds = get_type_hints(make.__init__ if inspect.isclass(make) else make)
    for name, value in options.items():
        if not fits(value, kinds.get(name, Any)):
            raise ValueError(f"{name} is {worded(kinds[name])}, got {value!r}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is what an annotation allows: a whole number is a number too, a list serves as a tuple."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin in (tuple, list, Sequence):
        return isinstance(value, list | tuple) and all(fits(one, inner[0]) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(fits(one, inner[1]) for one in value.values())
    if kind in NUMBERS:
        return isinstance(value, NUMBERS[kind]) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def worded(kind: Any) -> str:
    """What an annotation allows, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(worded, inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (tuple, list, Sequence):
        return f"a list, each {worded(inner[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"an object, each {worded(inner[1])}"
    return WORDS.get(kind, str(getattr(kind, "__name__", kind)))
