"""The line in which a person types: where to go, what to search for, what to show only."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import Input


class Prompt(Input):
    """One line of input over the footer; done with when it loses the focus."""

    DEFAULT_CSS = """
    Prompt { height: 1; border: none; padding: 0 1; dock: bottom; background: $surface; }
    Prompt:focus { border: none; }
    """

    class Answered(Message):
        """The person pressed Enter: `text` is the answer to the question `kind`."""

        def __init__(self, kind: str, text: str) -> None:
            """`kind`: as given to the prompt."""
            super().__init__()
            self.kind = kind
            self.text = text

    class Left(Message):
        """The prompt has lost the focus."""

    def __init__(self, kind: str, question: str) -> None:
        """`question` is shown while nothing is typed."""
        super().__init__(placeholder=question, compact=True, select_on_focus=False)
        self.kind = kind

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Answer."""
        message.stop()
        self.post_message(self.Answered(self.kind, self.value))

    def on_blur(self, event: events.Blur) -> None:
        """The application gives the focus back, and takes the prompt away."""
        self.post_message(self.Left())
