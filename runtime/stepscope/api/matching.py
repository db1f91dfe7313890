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
    annotation = unwrapped(annotation)
    if annotation is Any or annotation is object or isinstance(annotation, TypeVar):
        return True
    if annotation is None or annotation is type(None):
        return value is None
    origin = get_origin(annotation)
    if origin is None:
        if annotation is float:
            return isinstance(value, (float, int)) and not isinstance(value, bool)
        if annotation is int:
            return isinstance(value, int) and not isinstance(value, bool)
        if is_typeddict(annotation):
            return isinstance(value, dict) and annotation.__required_keys__ <= value.keys()
        return isinstance(annotation, type) and isinstance(value, annotation)
    args = get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return any(takes(arg, value) for arg in args)
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if not isinstance(value, origin):
        return False
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return all(takes(args[0], item) for item in value)
        return len(args) == len(value) and all(map(takes, args, value))
    if isinstance(value, dict):
        return all(takes(args[0], key) and takes(args[1], item) for key, item in value.items())
    if isinstance(value, Collection) and len(args) == 1:
        return all(takes(args[0], item) for item in value)
    return True


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

    def choose(value: Any) -> Any:
        cls = type(value)
        if shallow and cls in known:
            return known[cls]
        best: Any = None
        nearest = 1 << 30
        for annotation, one in annotations:
            if takes(annotation, value):
                far = distance(annotation, value)
                if far < nearest:
                    best, nearest = one, far
        if shallow:
            known[cls] = best
        return best

    return choose
