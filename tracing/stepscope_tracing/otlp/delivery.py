"""What became of the spans that were to be sent."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Delivery:
    """Counts of one export. `spans` is the sum of `delivered`, `rejected` and `undelivered`."""

    url: str
    spans: int = 0
    delivered: int = 0
    """Spans the receiver said it has."""

    rejected: int = 0
    """Spans the receiver, or their encoding, refused for good."""

    undelivered: int = 0
    """Spans given up: the receiver could not be reached, or did not take them, for too long."""

    undelivered_events: int = 0
    """Recorded events given up before spans were made of them, for the same reason."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    """Bytes of the requests that were accepted, before compression."""

    trace_ids: list[str] = field(default_factory=list)
    """Traces sent, as 32 hexadecimal digits, in the order they began."""

    reasons: list[str] = field(default_factory=list)
    """Why something was refused or given up, each said once."""

    @property
    def complete(self) -> bool:
        """Whether the receiver has everything."""
        return not (self.rejected or self.undelivered or self.undelivered_events)

    def because(self, reason: str) -> None:
        """Note a reason once."""
        if reason not in self.reasons:
            self.reasons.append(reason)

    def sentence(self) -> str:
        """One sentence for a person: what arrived, and what did not and why."""
        if self.complete:
            return f"{self.delivered} spans were delivered to {self.url}."
        lost = []
        if self.rejected:
            lost.append(f"{self.rejected} were refused")
        if self.undelivered:
            lost.append(f"{self.undelivered} were not delivered")
        if self.undelivered_events:
            lost.append(f"{self.undelivered_events} events were not made into spans")
        return (
            f"{self.delivered} of {self.spans} spans were delivered to {self.url}; {', '.join(lost)} "
            f"({'; '.join(self.reasons)}): record the run to a file and send it again with 'stepscope export'."
        )
