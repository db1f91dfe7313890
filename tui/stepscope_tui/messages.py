"""What panels tell the shell. A panel never moves the cursor itself: it asks, and is then shown the new place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from stepscope.findings import Finding


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


class Found(Message):
    """A search has ended; `seq` is None if there is no match."""

    def __init__(self, needle: str, seq: int | None) -> None:
        """`needle`: what was searched for."""
        super().__init__()
        self.needle = needle
        self.seq = seq


class Filtered(Message):
    """A filter has been through the run."""

    def __init__(self, text: str, seqs: list[int]) -> None:
        """`text`: the filter; `seqs`: what it leaves."""
        super().__init__()
        self.text = text
        self.seqs = seqs


class Studied(Message):
    """The whole run has been looked at."""

    def __init__(self, errors: list[int], findings: list[Finding] | None) -> None:
        """`errors`: where something went wrong; `findings`: None if analysis was not wanted, or could not be made."""
        super().__init__()
        self.errors = errors
        self.findings = findings
