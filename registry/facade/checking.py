"""Checks the types of arguments before a method runs.

A program has no command line that checks its values. Without this, a value of a wrong type
would raise an obscure error from deep inside, or be mistaken for something else.
"""

import functools
import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from registry.errors import InvalidInput

_Class = TypeVar("_Class", bound=type)


def checked(kind: _Class) -> _Class:
    """Class decorator: each public method checks its arguments first."""
    for name, method in list(vars(kind).items()):
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(kind, name, _checked(method))
    return kind


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)
    types = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    rest = next((p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
    named_types = {} if rest is None else get_type_hints(get_args(rest.annotation)[0])

    @functools.wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        given = signature.bind(*arguments, **options).arguments
        named = given.pop(rest.name, {}) if rest is not None else {}
        for name in named.keys() - named_types.keys():
            raise TypeError(f"{method.__qualname__}() takes no argument named {name!r}")
        for name, value in [*given.items(), *named.items()]:
            wanted = types[name] if name in given else named_types[name]
            if not _fits(value, wanted):
                raise InvalidInput(f"{name} must be {_words(wanted)}, not {type(value).__name__}")
        return method(*arguments, **options)

    return call


def _fits(value: Any, wanted: Any) -> bool:
    origin = get_origin(wanted)
    if origin is Literal:
        return value in get_args(wanted)
    if origin in (Union, UnionType):
        return any(_fits(value, kind) for kind in get_args(wanted))
    if isinstance(origin, type):
        # A text is a sequence of letters too, which is never meant.
        return isinstance(value, origin) and not isinstance(value, str)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    unknown = wanted in (Any, inspect.Parameter.empty) or not isinstance(wanted, type)
    return unknown or isinstance(value, wanted)


def _words(wanted: Any) -> str:
    origin = get_origin(wanted)
    if origin is Literal:
        return " or ".join(map(repr, get_args(wanted)))
    if origin in (Union, UnionType):
        return " or ".join(map(_words, get_args(wanted)))
    found = origin or wanted
    return "None" if found is type(None) else str(found.__name__)
