"""Lost updates by a literal reading of STA-9: sets of contained writes, and every pair of writes tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from stepscope.events import AnyEvent, LockAcquired, LockReleased, StateRead, StateWritten


@dataclass
class Fact:
    """What the definition needs to know of one write, in the words of the definition."""

    write: StateWritten
    era: int
    content: frozenset[int] = frozenset()
    before: frozenset[int] = frozenset()
    knew: int = 0
    had_read: int = 0
    undone: bool = False


@dataclass
class Oracle:
    """The definition, read literally: sets of contained writes, and every pair of writes tried."""

    facts: list[Fact] = field(default_factory=list)

    def run(self, events: list[AnyEvent]) -> list[list[int]]:
        era = 0
        content: dict[str, frozenset[int]] = {}
        entered: dict[tuple[int, str], tuple[int, frozenset[int]]] = {}
        reads: dict[tuple[int, str], list[tuple[int, frozenset[int]]]] = {}
        for event in events:
            if event.kind == "superstep-started":
                era += 1
                content, entered, reads = {}, {}, {}
            elif isinstance(event, LockAcquired):
                entered[event.inv, event.key] = event.seq, content.get(event.key, frozenset())
            elif isinstance(event, LockReleased):
                del entered[event.inv, event.key]
            elif isinstance(event, StateRead):
                now = content.get(event.key, frozenset())
                reads.setdefault((event.inv, event.key), []).append((event.seq, now))
            elif isinstance(event, StateWritten):
                key, inv = event.key, event.inv
                if event.op == "undo":
                    since, content[key] = entered[inv, key]
                    for fact in self.facts:
                        if fact.write.seq > since and (fact.write.inv, fact.write.key) == (inv, key):
                            fact.undone = True
                    continue
                own = [
                    (f.write.seq, f.content)
                    for f in self.facts
                    if (f.write.inv, f.write.key, f.era, f.undone) == (inv, key, era, False)
                ]
                seen = reads.get((inv, key), [])
                knew, known = max([*own, *seen, (0, frozenset())], key=lambda pair: pair[0])
                before = content.get(key, frozenset())
                content[key] = (before if event.op == "update" else known) | {event.seq}
                self.facts.append(Fact(event, era, content[key], before, knew, seen[-1][0] if seen else 0))
        return self.pairs()

    def pairs(self) -> list[list[int]]:
        found = []
        for lost in self.facts:
            for by in self.facts:
                w, s = lost.write, by.write
                if (
                    (w.key, lost.era) == (s.key, by.era)
                    and w.inv != s.inv
                    and s.op in ("set", "delete")
                    and by.had_read
                    and by.knew < w.seq < s.seq
                    and w.seq in by.before
                    and not lost.undone
                    and not by.undone
                ):
                    found.append([by.had_read, w.seq, s.seq])
                    break
        return sorted(found, key=lambda f: (f[2], f[1]))
