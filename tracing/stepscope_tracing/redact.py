"""Leaving values out of a recording.

A *rule* is a glob on places or a function. The place of a value is what it is, whose it is, and the path inside it:

    input[.path]   message[.path]   state.KEY[.path]   effect.NAME[.path]   output[.path]

so ``state.token`` is a key, ``message.*`` every message and everything in it, ``*.password`` a field or key of that
name anywhere, ``input`` the run's input (and its delivery). What matches is stored as ``{"$redacted": true}``.
A function ``(place, tree) -> tree`` is given each whole value's place and tree and returns what may be stored.

What was left out is remembered while the run lasts, and left out wherever else it shows up from then on: other
values that contain the same text, error messages, tracebacks, findings, the reasons of routing, the stored source
files. Pieces shorter than four characters are not looked for elsewhere. What was already written before a rule met
the secret for the first time stays: name the place it comes in by.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from stepscope.events import (
    AnyEvent,
    Change,
    Committed,
    Delivered,
    EffectEnded,
    ErrorInfo,
    Event,
    GraphInfo,
    KeyInfo,
    OutputYielded,
    Resumed,
    RunStarted,
    Sent,
    StateRead,
    StateWritten,
    SuperstepFailed,
    Undelivered,
)
from stepscope.values import Tree, Value

Rule: TypeAlias = str | Callable[[str, Tree], Tree]

REDACTED: dict[str, bool] = {"$redacted": True}
_MARK = "‹redacted›"
_SHORTEST = 4
_encode = msgspec.msgpack.Encoder().encode
_replace: Any = msgspec.structs.replace


class Redactor:
    """Applies rules to the events of one run."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """`rules`: see the module. Raises `ValueError` for an empty glob."""
        globs = [rule for rule in rules if isinstance(rule, str)]
        if not all(globs):
            raise ValueError("an empty redaction rule: name a place, such as 'state.token' or '*.password'")
        # "message.*" means the message itself too
        globs += [rule[:-2] for rule in globs if rule.endswith(".*")]
        self._matches = re.compile("|".join(fnmatch.translate(rule) for rule in globs) or "(?!)").match
        self._functions = [rule for rule in rules if not isinstance(rule, str)]
        self._secrets: set[str] = set()
        self._secret: re.Pattern[str] | None = None
        self._cache: dict[tuple[str, bytes], Value] = {}
        self._on: dict[type, Callable[[Any], Any]] = {
            RunStarted: self._run_started,
            Delivered: lambda e: _replace(e, payload=self._payload(e, e)),
            Sent: lambda e: _replace(e, payload=self._value("message", e.payload)),
            StateRead: lambda e: _replace(e, value=self._value(f"state.{e.key}", e.value)),
            StateWritten: self._written,
            EffectEnded: lambda e: _replace(e, result=self._value(f"effect.{e.name}", e.result)),
            OutputYielded: lambda e: _replace(e, value=self._value("output", e.value)),
            Committed: lambda e: _replace(e, changes=[self._change(c) for c in e.changes]),
            Resumed: self._resumed,
            SuperstepFailed: lambda e: _replace(e, reverted=[self._change(c) for c in e.reverted]),
        }

    def redact(self, event: AnyEvent) -> AnyEvent:
        """The event as it may be stored."""
        act = self._on.get(type(event))
        known = len(self._secrets)
        redacted = event if act is None else act(event)
        if act is not None and len(self._secrets) > known:  # it may be in what was looked at before
            redacted = act(event)
        return redacted if self._secret is None else _texts(redacted, self.scrub)

    def scrub(self, text: str) -> str:
        """A text without what was left out elsewhere."""
        return text if self._secret is None else self._secret.sub(_MARK, text)

    def _run_started(self, event: RunStarted) -> RunStarted:
        graph = event.graph
        keys = [KeyInfo(k.name, k.access, k.reducer, self._value(f"state.{k.name}", k.initial)) for k in graph.keys]
        payload = self._value("input" if event.scope == 0 else "message", event.input)
        options = self._scrub_tree(event.options)
        graph = GraphInfo(graph.name, graph.start, graph.executors, graph.edges, keys)
        return _replace(event, graph=graph, input=payload, options=options)  # type: ignore[no-any-return]

    def _payload(self, event: Event, carried: Delivered | Undelivered) -> Value | None:
        if 0 in carried.messages and event.scope == 0:  # the run's input is message 0
            return self._value("message", self._value("input", carried.payload))
        return self._value("message", carried.payload)

    def _resumed(self, event: Resumed) -> Resumed:
        changes = [self._change(change) for change in event.changes]
        waiting = [_replace(one, payload=self._payload(event, one)) for one in event.waiting]
        return _replace(event, changes=changes, waiting=waiting)  # type: ignore[no-any-return]

    def _written(self, event: StateWritten) -> StateWritten:
        place = f"state.{event.key}"
        new, old, given = (self._value(place, one) for one in (event.new, event.old, event.given))
        return _replace(event, new=new, old=old, given=given)  # type: ignore[no-any-return]

    def _change(self, change: Change) -> Change:
        place = f"state.{change.key}"
        old, new = self._value(place, change.old), self._value(place, change.new)
        return Change(change.key, old, new, change.access, change.writers)

    def _value(self, place: str, value: Value | None) -> Value | None:
        if value is None:
            return None
        known = self._cache.get((place, value.data))
        if known is None:
            tree = value.tree()
            kept = self._tree(place, tree)
            for function in self._functions:
                kept = self._call(function, place, kept)
            kept = self._scrub_tree(kept)
            known = value if kept == tree else Value(_encode(kept))
            if len(self._cache) > 4096:
                self._cache.clear()
            self._cache[place, value.data] = known
        return known

    def _call(self, function: Callable[[str, Tree], Tree], place: str, tree: Tree) -> Tree:
        try:
            kept = function(place, msgspec.msgpack.decode(_encode(tree)))
            _encode(kept)
        except Exception:
            kept = REDACTED  # what is to happen with it is unknown: keep nothing
        if kept != tree:
            self._learn(set(_leaves(tree)) - set(_leaves(kept)))
        return kept

    def _tree(self, place: str, tree: Tree) -> Tree:
        if self._matches(place):
            self._learn(set(_leaves(tree)))
            return REDACTED
        if isinstance(tree, list):
            return [self._tree(f"{place}.{i}", item) for i, item in enumerate(tree)]
        if isinstance(tree, dict) and not _is_leaf(tree):
            if "$dict" in tree:
                return {"$dict": [[k, self._tree(f"{place}.{_name(k)}", v)] for k, v in tree["$dict"]]}
            if len(tree) == 2 and "fields" in tree:  # a dataclass or model: its fields are named as in the program
                return {k: self._fields(place, v) if k == "fields" else v for k, v in tree.items()}
            if len(tree) == 1 and next(iter(tree)) in ("$tuple", "$set", "$frozenset"):
                return {k: [self._tree(f"{place}.{i}", item) for i, item in enumerate(v)] for k, v in tree.items()}
            return self._fields(place, tree)
        return tree

    def _fields(self, place: str, fields: dict[str, Tree]) -> dict[str, Tree]:
        return {k: self._tree(f"{place}.{k}", v) for k, v in fields.items()}

    def _learn(self, secrets: set[str]) -> None:
        new = {secret for secret in secrets if len(secret) >= _SHORTEST} - self._secrets
        if new:
            self._secrets |= new
            longest_first = sorted(self._secrets, key=lambda s: (-len(s), s))
            self._secret = re.compile("|".join(_forms(longest_first)))
            self._cache.clear()

    def _scrub_tree(self, tree: Tree) -> Tree:
        """A tree without what was left out elsewhere: a leaf that contains it goes whole."""
        if self._secret is None:
            return tree
        if isinstance(tree, dict) and not _is_leaf(tree):
            return {self.scrub(k) if isinstance(k, str) else k: self._scrub_tree(v) for k, v in tree.items()}
        if isinstance(tree, list):
            return [self._scrub_tree(item) for item in tree]
        if any(self._secret.search(leaf) for leaf in _leaves(tree)):
            return REDACTED
        return tree


def _is_leaf(tree: dict[str, Tree]) -> bool:
    """Whether it stands for one value, such as a date or an enum's member, which is kept or left out whole."""
    if "$enum" in tree:
        return True
    tag = next(iter(tree), "")
    return len(tree) == 1 and tag[:1] == "$" and tag not in ("$dict", "$tuple", "$set", "$frozenset")


def _name(key: Tree) -> str:
    return key if isinstance(key, str) else repr(key)


def _forms(secrets: Sequence[str]) -> Iterator[str]:
    """A secret as it is, and as `repr` and JSON would show it in a message."""
    for secret in secrets:
        forms = {secret, repr(secret)[1:-1], msgspec.json.encode(secret).decode()[1:-1], ascii(secret)[1:-1]}
        yield from (re.escape(form) for form in sorted(forms, key=lambda s: (-len(s), s)))


def _leaves(tree: Tree) -> Iterator[str]:
    """The texts in a tree; numbers as they print, bytes both ways they could show up."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _leaves(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _leaves(item)
    elif isinstance(tree, bytes):
        yield from (tree.decode("utf-8", "replace"), repr(tree)[2:-1])
    elif isinstance(tree, str):
        yield tree
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield repr(tree)


_TEXTS = {
    "message", "traceback", "remedy", "reason", "errors", "error",
}  # fmt: skip


def _texts(event: Any, scrub: Callable[[str], str]) -> Any:
    """The event with its free texts scrubbed: what people wrote or exceptions said, not ids."""
    changes: dict[str, Any] = {}
    for name in event.__struct_fields__:
        if name in _TEXTS:
            old = getattr(event, name)
            new: Any = old
            if isinstance(old, str):
                new = scrub(old)
            elif isinstance(old, ErrorInfo):
                new = _texts(old, scrub)
            elif isinstance(old, list):
                new = [_texts(item, scrub) for item in old]
            if new != old:
                changes[name] = new
    return _replace(event, **changes) if changes else event
