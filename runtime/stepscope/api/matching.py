"""Which values a message type takes: handlers are chosen by it (ORD-8)."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin, is_typeddict


def unwrapped(annotation: Any) -> Any:
    """A type without metadata (`Annotated`), and what a `NewType` or a type alias stands for."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__") and hasattr(annotation, "__type_params__"):
            annotation = annotation.__value__
        else:
            return annotation


def uncheckable(annotation: Any) -> str:
    """The part of a message type that no value can be checked against, such as a plain Protocol; "" if there is none."""
    annotation = unwrapped(annotation)
    for part in get_args(annotation):
        if get_origin(annotation) is not Literal and (found := uncheckable(part)):
            return found
    try:
        takes(annotation, object())
    except TypeError:
        return name_of(annotation)
    return ""


def takes(annotation: Any, value: Any) -> bool:
    """Whether `value` is one of the message type `annotation`, looking inside containers."""
    return test_of(annotation)(value)


def test_of(annotation: Any) -> Callable[[Any], bool]:
    """The question `takes` asks, worked out once for a message type, as it is asked of every delivery.

    Raises `TypeError` when it is asked, for a type that no value can be checked against.
    """
    annotation = unwrapped(annotation)
    if annotation is Any or annotation is object or isinstance(annotation, TypeVar):
        return lambda value: True
    if annotation is None or annotation is type(None):
        return lambda value: value is None
    origin = get_origin(annotation)
    if origin is None:
        return _test_of_class(annotation)
    args = get_args(annotation)
    if origin is Union or origin is types.UnionType:
        parts = [test_of(arg) for arg in args]
        return lambda value: any(part(value) for part in parts)
    if origin is Literal:
        return lambda value: any(value == arg and type(value) is type(arg) for arg in args)
    return _test_of_container(origin, args)


def _test_of_class(annotation: Any) -> Callable[[Any], bool]:
    if annotation is float:
        return lambda value: isinstance(value, (float, int)) and not isinstance(value, bool)
    if annotation is int:
        return lambda value: type(value) is int or (isinstance(value, int) and not isinstance(value, bool))
    if is_typeddict(annotation):
        return lambda value: isinstance(value, dict) and annotation.__required_keys__ <= value.keys()
    return lambda value: isinstance(annotation, type) and isinstance(value, annotation)


def _test_of_container(origin: Any, args: tuple[Any, ...]) -> Callable[[Any], bool]:
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        places = [test_of(arg) for arg in args]
        return lambda value: (
            isinstance(value, tuple)
            and len(places) == len(value)
            and all(place(item) for place, item in zip(places, value, strict=True))
        )
    tests = [test_of(arg) for arg in args if arg is not Ellipsis]

    def test(value: Any) -> bool:
        if not isinstance(value, origin):
            return False
        if isinstance(value, dict) and len(tests) == 2:
            return all(map(tests[0], value)) and all(map(tests[1], value.values()))
        if isinstance(value, Collection) and len(tests) == 1:
            return all(map(tests[0], value))
        return True

    return test


_FAR = 1_000_000


def distance(annotation: Any, value: Any) -> int:
    """How far a matching type is from the value's own: the nearest handler wins, then the first declared.

    A type that looks inside the value (``list[int]``, ``Literal``) is nearer than the bare one, a base class farther
    with each step, a union as far as its nearest part and a little more.
    """
    annotation = unwrapped(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return 1 + min(distance(arg, value) for arg in get_args(annotation) if takes(arg, value))
    if get_origin(annotation) is Literal:
        return -100
    plain = get_origin(annotation) or annotation
    steps = type(value).__mro__
    if plain is object or plain not in steps:
        return _FAR
    return 4 * steps.index(plain) - (2 if plain is not annotation else 0)


def name_of(annotation: Any) -> str:
    """A message type as people write it."""
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__.rsplit("<locals>.", 1)[-1]
    return str(annotation).replace("typing.", "")


def may_flow(sent: Any, taken: Any) -> bool:
    """Whether a value sent as `sent` could be one of `taken`; doubtful cases say yes, as only a warning hangs on it."""
    sent, taken = unwrapped(sent), unwrapped(taken)
    if Any in (sent, taken) or object in (sent, taken) or isinstance(sent, TypeVar) or isinstance(taken, TypeVar):
        return True
    for side, other, flip in ((sent, taken, False), (taken, sent, True)):
        if get_origin(side) in (Union, types.UnionType):
            return any(may_flow(other, arg) if flip else may_flow(arg, other) for arg in get_args(side))
    plain_sent, plain_taken = get_origin(sent) or sent, get_origin(taken) or taken
    if not isinstance(plain_sent, type) or not isinstance(plain_taken, type):
        return True
    if plain_sent is int and plain_taken is float:
        return True
    return issubclass(plain_sent, plain_taken) or issubclass(plain_taken, plain_sent)


def chooser(annotations: list[tuple[Any, Any]]) -> Callable[[Any], Any]:
    """A function from a value to the handler that takes it, or None; `annotations` are (message type, handler).

    Answers for values of a plain type are remembered by that type when no message type looks inside values.
    """
    shallow = all(
        annotation is Any or (isinstance(annotation, type) and not is_typeddict(annotation))
        for annotation, _ in annotations
    )
    known: dict[type, Any] = {}
    asked = [(test_of(annotation), annotation, one) for annotation, one in annotations]

    def choose(value: Any) -> Any:
        cls = type(value)
        if cls in known:
            return known[cls]
        best: Any = None
        nearest = 1 << 30
        for test, annotation, one in asked:
            if test(value):
                far = distance(annotation, value)
                if far < nearest:
                    best, nearest = one, far
        if shallow:
            known[cls] = best
        return best

    return choose
