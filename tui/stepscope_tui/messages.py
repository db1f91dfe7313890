"""What panels tell the shell. A panel never moves the cursor itself: it asks, and is then shown the new place."""

from __future__ import annotations

from textual.message import Message


class Goto(Message):
    """Move the one cursor to the event `seq` (clamped to the run)."""

    def __init__(self, seq: int) -> None:
        """`seq`: sequence number of the event."""
        super().__init__()
        self.seq = seq


class SelectKey(Message):
    """Make the state key `key` the selected one, of which ``{`` and ``}`` find the writes."""

    def __init__(self, key: str, scope: int = 0) -> None:
        """`scope`: 0 for the run's own state, else the invocation that hosts the sub-workflow."""
        super().__init__()
        self.key = key
        self.scope = scope


class Inspect(Message):
    """Show one value in full, in the inspector. `text` need not be safe; the inspector makes it so."""

    def __init__(self, title: str, tree: object) -> None:
        """`title`: what the value is; `tree`: a stored tree, as `Value.tree()` gives it."""
        super().__init__()
        self.title = title
        self.tree = tree


class Say(Message):
    """One sentence for the bottom line."""

    def __init__(self, sentence: str, *, error: bool = False) -> None:
        """`error`: the wish could not be fulfilled."""
        super().__init__()
        self.sentence = sentence
        self.error = error
