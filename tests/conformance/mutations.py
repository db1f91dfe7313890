"""Breakages of the runtime, by hand: at least one for each clause that holds, with the tests that must notice it.

A clause whose breakage nothing notices is not tested, whatever tests carry its name. `test_mutations` applies each to
a copy of the runtime and runs the tests named. Snippets are exact text; when the code changes, change them with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """`tests` is the name, without ``test_`` and ``.py``, of a test file of the runtime, and an expression for ``-k``."""

    clause: str
    file: str
    snippet: str
    replacement: str
    tests: tuple[str, str]
    what: str

    def __str__(self) -> str:
        """For test ids."""
        return f"{self.clause} {self.what}"


_LAST_WRITER = """                if len(by_rank) > 1:
                    raise self._conflict(key, [by_rank[rank] for rank in sorted(by_rank)])
                ((inv, new),) = by_rank.values()
"""
_SENDS = "return sorted(self._sent, key=_SOURCE)"
_ADMIT = """        effect = self._asked[0]
        if effect.task is not None and not effect.task.done():
            await self.turns.wait_for_news(None)
            return
        self._asked.popleft()
"""
_ADMIT_AS_IT_COMES = """        effect = next((one for one in self._asked if one.task is None or one.task.done()), None)
        if effect is None:
            await self.turns.wait_for_news(None)
            return
        self._asked.remove(effect)
"""
_ONE_EFFECT_AFTER_ANOTHER = """earlier = [one.task for some in self._effects.values() for one in some if one.task is not None]

        async def after() -> Any:
            if earlier:
                await asyncio.wait(earlier)
            return await perform(function, args)

        effect.task = self.loop.create_task(after())
"""

MUTATIONS = [
    # -- ordering
    Mutation("ORD-1", "kernel/operations.py", _SENDS, "return sorted(reversed(self._sent), key=_SOURCE)",
             ("ordering", "ord_1"), "messages of one source are turned round"),
    Mutation("ORD-1", "api/validate.py", "if count > 1]\n    if twice:", "if count > 9]\n    if twice:",
             ("ordering", "ord_1_a_second_edge"), "a second edge between the same two is let through"),
    Mutation("ORD-2", "kernel/operations.py", _SENDS, "return list(self._sent)",
             ("ordering", "ord_2"), "inboxes are in the order of time"),
    Mutation("ORD-3", "drivers/concurrent.py", "while ready and (limit is None or len(running) < limit):",
             "while ready and len(running) < (limit or 1):", ("ordering", "ord_3"), "one target after another"),
    Mutation("ORD-3", "kernel/kernel.py", "return inv.payload.fresh()", "return inv.payload.peek",
             ("ordering", "ord_3"), "targets share the payload"),
    Mutation("ORD-4", "kernel/pool.py", "group.append(queue.popleft())", "group.append(queue.pop())",
             ("fan_in", "ord_4"), "the last message of each source makes the group"),
    Mutation("ORD-4", "kernel/pool.py", "return group", "return sorted(group, key=lambda member: member.id)",
             ("fan_in", "ord_4"), "a group is in the order of arrival"),
    Mutation("ORD-4", "kernel/report.py", "_GROWING = 64", "_GROWING = 1 << 40",
             ("fan_in", "grow"), "a growing buffer is not reported"),
    Mutation("ORD-5", "drivers/concurrent.py", "            inv = this.take(heapq.heappop(ready))\n",
             "            index = heapq.heappop(ready)\n            inv = this.take(index)\n"
             "            if this.position[index] < len(this.inboxes[index]):\n"
             "                heapq.heappush(ready, index)\n",
             ("ordering", "ord_5"), "an executor handles its whole inbox at once"),
    Mutation("ORD-6", "kernel/operations.py", "return sorted(self._yielded, key=_RANK)", "return list(self._yielded)",
             ("ordering", "ord_6"), "outputs are not in rank order"),
    Mutation("ORD-7", "kernel/route.py", "for target in routing.grouped:", "for target in ():",
             ("fan_in", "ord_7"), "a group has the rank of the source that completed it"),
    Mutation("ORD-7", "kernel/kernel.py", "for rank in sorted(self._next):", "for rank in self._next:",
             ("holes", "ord_7"), "a superstep's executors are not in rank order"),
    Mutation("ORD-7", "kernel/kernel.py", "self._next = routing.inboxes",
             "self._next = {rank: parcels[:1] for rank, parcels in routing.inboxes.items()}",
             ("ordering", "ord_7 or ord_1"), "of several messages only the first is delivered"),
    Mutation("ORD-8", "kernel/route.py", "for member in members:", "for member in members[-1:]:",
             ("drops", "group"), "members of a group that is not taken vanish"),
    Mutation("ORD-8", "kernel/kernel.py", "if self._strict and routing.drops:", "if False:",
             ("drops", "ord_8"), "strict runs drop messages"),
    Mutation("ORD-8", "kernel/route.py",
             'routing.steps.append(Drop(message, message.target, "conditions", "; ".join(reasons)))', "pass",
             ("drops", "ord_8"), "a message that conditions refused leaves no trace"),
    # -- state
    Mutation("STA-1", "kernel/state.py", "if mine is not None and inv.rank in mine:\n                return mine[inv.rank][1]",
             "if mine:\n                return next(reversed(mine.values()))[1]",
             ("state", "sta_1"), "dirty reads"),
    Mutation("STA-1", "kernel/state.py", "if mine is not None and inv.rank in mine:", "if False:",
             ("state", "sta_1"), "an executor does not see its own writes"),
    Mutation("STA-2", "kernel/state.py", "for _, items in sorted(self._given[key].items())",
             "for _, items in self._given[key].items()", ("state", "sta_2"), "contributions merge in the order of time"),
    Mutation("STA-2", "kernel/state.py", "return self._fold(key, inv.rank, given) if given else self.committed.get(key)",
             "return self.committed.get(key)", ("state", "sta_2"), "own contributions are invisible"),
    Mutation("STA-3", "kernel/state.py", _LAST_WRITER, "                inv, new = list(by_rank.values())[-1]\n",
             ("conflicts", "sta_3"), "the last writer wins"),
    Mutation("STA-4", "kernel/state.py",
             "return self._live[key] if key in self._live else self.committed.get(key)",
             "return self.committed.get(key)", ("live_state", "sta_4"), "live writes are seen after the barrier"),
    Mutation("STA-5", "kernel/locks.py",
             "return lock is not None and lock.owner is not None and lock.owner is not inv", "return False",
             ("locks", "sta_5"), "plain operations do not wait for a hold"),
    Mutation("STA-5", "kernel/locks.py", "lock.queue.append(ticket)", "lock.queue.appendleft(ticket)",
             ("locks", "sta_5"), "last come, first served"),
    Mutation("STA-5", "context.py", "return Hold(self, tuple(sorted({self._key(key) for key in keys})))",
             "return Hold(self, tuple(dict.fromkeys(self._key(key) for key in keys)))",
             ("locks", "canonical"), "keys are taken in the order given"),
    Mutation("STA-5", "kernel/locks.py",
             "elif ticket.done and ticket.error is None and ticket.record is not None:", "elif False:",
             ("hold_ends", "sta_5"), "an owner cancelled before it wakes keeps the lock"),
    Mutation("STA-6", "kernel/operations.py", "        if op.undo:\n", "        if False:\n",
             ("hold_undo", "sta_6"), "nothing is undone"),
    Mutation("STA-6", "kernel/operations.py", "self.state.keep(inv, record)", "pass",
             ("hold_undo", "outer"), "an outer block does not answer for an inner one"),
    Mutation("STA-6", "kernel/state.py", "record.undo.setdefault(key, old)", "record.undo[key] = old",
             ("hold_undo", "sta_6"), "only the last write is undone"),
    Mutation("STA-7", "kernel/kernel.py", 'self._locks.release(inv, record, "ended", 0)', "pass",
             ("hold_ends", "sta_7"), "a forgotten hold outlives its invocation"),
    Mutation("STA-7", "kernel/kernel.py", "self.report.not_released(inv, record)", "pass",
             ("hold_ends", "sta_7"), "a forgotten hold is not reported"),
    Mutation("STA-8", "kernel/operations.py", "return op.default if value is None else value.fresh()",
             "return op.default if value is None else value.peek",
             ("isolation", "read_from"), "get gives the object itself"),
    Mutation("STA-8", "values.py", "                obj = isolate(obj)\n", "                pass\n",
             ("isolation", "given_to"), "set keeps the caller's object"),
    Mutation("STA-9", "kernel/state.py", _LAST_WRITER,
             "                if len({value for _, value in by_rank.values()}) > 1:\n"
             "                    raise self._conflict(key, [by_rank[rank] for rank in sorted(by_rank)])\n"
             "                inv, new = list(by_rank.values())[-1]\n",
             ("conflicts", "sta_9_in_snapshot or equal_values"), "equal results of lost updates do not conflict"),
    Mutation("STA-9", "kernel/operations.py", 'verb = "set" if op.value is not None else "delete"',
             'verb = "set" if op.value is not None else "delete"\n'
             '        if self.state.access(op.key) == "live" and not inv.holds:\n'
             '            raise SuperstepOverError("hold it")',
             ("conflicts", "sta_9"), "a plain set of a live key is refused"),
    # -- parallelism
    Mutation("PAR-1", "drivers/concurrent.py", "len(running) < limit", "len(running) <= limit",
             ("parallelism", "par_1"), "one more than the bound"),
    Mutation("PAR-1", "drivers/concurrent.py", "heapq.heappop(ready)", "ready.pop()",
             ("parallelism", "par_1"), "starts are not in rank order"),
    Mutation("PAR-1", "drivers/controlled.py", "this.ready[:1] if len(this.running) < limit else []",
             "this.ready if len(this.running) < limit else []",
             ("parallelism", "par_1"), "a bounded controlled run starts whom it likes"),
    Mutation("PAR-2", "drivers/effects.py", "threading.Thread(target=work, name=name, daemon=True).start()", "work()",
             ("parallelism", "par_2_what_it_raises or thread_of_its_own"), "sync handlers run on the loop's thread"),
    Mutation("PAR-2", "drivers/effects.py", "context = contextvars.copy_context()", "context = contextvars.Context()",
             ("parallelism", "par_2"), "a thread loses the context variables"),
    Mutation("PAR-3", "drivers/base.py", "        if threshold is None:\n            yield\n", "        if True:\n            yield\n",
             ("blocked_loop", "while_it_does"), "nobody looks"),
    Mutation("PAR-3", "drivers/blocked.py", "            inv.kernel.report.blocked(inv, str(found.owner), found.lasted, chain)\n", "            pass\n",
             ("blocked_loop", "while_it_does"), "there is no finding"),
    Mutation("PAR-3", "drivers/pulse.py", "task is not self.task or not self.pinged", "not self.pinged",
             ("blocked_loop", "many_short_ones"), "many short handlers are taken for a long one"),
    Mutation("PAR-3", "drivers/pulse.py", "min(passed, _LATE * self.interval), alone", "passed, alone",
             ("blocked_loop", "was_stopped"), "a process that was stopped is taken for a block"),
    Mutation("PAR-3", "drivers/blocked.py", "or _in_debugger(frame)", "",
             ("blocked_loop", "debugger"), "a stop in a debugger is taken for a block"),
    Mutation("PAR-4", "drivers/base.py", "self.begin = self._begin_timed", "pass",
             ("timeouts", "par_4_a_handler_that_takes"), "no timeout fires"),
    Mutation("PAR-4", "drivers/base.py", 'inv.kernel.end(inv, "cancelled" if late is None else "failed", late)',
             'inv.kernel.end(inv, "cancelled", None)', ("timeouts", "swallowed"), "a swallowed timeout is no failure"),
    Mutation("PAR-4", "drivers/base.py", "inv.kernel.timed_out(inv, seconds, waits)", "pass",
             ("timeouts", "par_4_a_handler_that_takes"), "that it fired is not recorded"),
    Mutation("PAR-4", "drivers/controlled.py", "inv.outcome is None and not self.wants_turn(inv)", "inv.outcome is None",
             ("timeouts", "does_not_count"), "waiting for a turn counts"),
    Mutation("PAR-4", "drivers/controlled.py", 'self._mark(inv, "its timeout fired")', "pass",
             ("timeouts", "marks"), "a run whose timeout fired is called deterministic"),
    Mutation("PAR-4", "drivers/waiting.py", "next((owner for held, owner, _ in inv.kernel.table() if held == key), None)",
             "None", ("timeouts", "names_the_key"), "who holds the key is not named"),
    Mutation("PAR-5", "drivers/base.py", "inv.round.context.copy()", "inv.round.context",
             ("parallelism", "par_5"), "invocations share a context"),
    # -- barrier
    Mutation("BAR-1", "drivers/concurrent.py", "        if not this.running:\n            self._finish(this)\n",
             "        self._finish(this)\n", ("barrier", "BAR_1"), "the barrier waits for the first only"),
    Mutation("BAR-1", "kernel/kernel.py", "        self.state.adopt(changes)\n", "",
             ("state", "sta_1_the_barrier or sta_2"), "nothing is committed"),
    Mutation("BAR-2", "kernel/operations.py", "if inv.outcome is not None or not inv.started:", "if not inv.started:",
             ("barrier", "BAR_2"), "no fence"),
    Mutation("BAR-3", "kernel/kernel.py", "        if not self.failures:\n            try:\n", "        if True:\n            try:\n",
             ("barrier_failure", "nothing_of"), "a failed superstep commits"),
    Mutation("BAR-3", "kernel/kernel.py", "reverted = self.state.abandon()", "reverted: list[Any] = []",
             ("barrier_failure", "BAR_3"), "live keys keep what a failed superstep wrote"),
    Mutation("BAR-3", "drivers/concurrent.py", "        self.stop_all(this)\n", "",
             ("barrier_failure", "siblings_are_cancelled"), "siblings of a failure are not cancelled"),
    Mutation("BAR-3", "kernel/kernel.py", "self.failures.sort(key=lambda item: item[0])", "pass",
             ("barrier_errors", "rank_order"), "failures are in the order of time"),
    Mutation("BAR-3", "drivers/unwinding.py", "        inv = self.admit_within(this)\n", "        inv = None\n",
             ("clean_up", "clean_up_with_effects"), "what a cancelled handler asks for in its clean-up never comes"),
    Mutation("BAR-3", "drivers/unwinding.py", "                self.look_later(inv)\n", "                pass\n",
             ("clean_up", "that_was_not_cancelled"), "a cancelled handler that waits on for its effect keeps the turn"),
    Mutation("BAR-7", "drivers/streaming.py", "provisional=True", "provisional=False",
             ("barrier_streaming", "provisional"), "outputs are not marked provisional"),
    Mutation("BAR-7", "drivers/streaming.py", 'needs = event.seq if made.type == "superstep_completed" else 0', "needs = 0",
             ("barrier_streaming", "durable"), "completion is announced before it is durable"),
    # -- determinism
    Mutation("DET-1", "drivers/choosers.py", "return (_mix(self._state) * len(enabled)) >> 64",
             "return hash(enabled[-1].inv.executor) % len(enabled)",
             ("determinism", "hash_seed"), "the choice hangs on the hash seed"),
    Mutation("DET-1", "drivers/choosers.py", "self._state = _mix((self._seed + number * _GAMMA) & _MASK)",
             "self._state = self._state or _mix(self._seed)",
             ("holes", "earlier_ones"), "a superstep's schedule hangs on earlier ones"),
    Mutation("DET-1", "values.py", 'sorted((_tree(v, f"{path}{{…}}", depth) for v in value), key=_encode_sorted)',
             'list(_tree(v, f"{path}{{…}}", depth) for v in value)',
             ("determinism", "set_as_a_value or hash_seed"), "sets are stored as they come"),
    Mutation("DET-2", "kernel/kernel.py",
             "[(names[message.source], message.target, message.payload.canonical()) for message in sends]",
             "[(names[m.source], m.target, m.payload.canonical()) for m in sorted(sends, key=lambda m: m.id)]",
             ("modes_agree", "DET_2"), "the digest has the order of time"),
    Mutation("DET-2", "kernel/operations.py", _SENDS, "return list(self._sent)",
             ("model", "do_what and not many"), "routing has the order of time"),
    Mutation("DET-3", "drivers/controlled.py", _ADMIT, _ADMIT_AS_IT_COMES,
             ("effects", "first_asked"), "results are admitted as they come"),
    Mutation("DET-3", "drivers/base.py", "effect.task = self.loop.create_task(perform(function, args))\n",
             _ONE_EFFECT_AFTER_ANOTHER, ("effects", "overlap or DET_5"), "effects do not overlap"),
    # -- deadlock and non-termination
    Mutation("DLK-1", "kernel/kernel.py", "if self.superstep >= self.plan.max_supersteps:",
             "if self.superstep > self.plan.max_supersteps:", ("convergence", "dlk_1"), "one superstep too many"),
    Mutation("DLK-1", "kernel/report.py", "cycle = active_cycle(plan.info, active)", "cycle: list[str] = []",
             ("convergence", "dlk_1"), "the cycle is not named"),
    Mutation("DLK-2", "kernel/locks.py", "        if path is not None:\n            error = self._deadlock(ticket, path)\n",
             "        if path is not None and len(path) < 2:\n            error = self._deadlock(ticket, path)\n",
             ("deadlock_rings", "found_in_the_step and 3"), "rings of three are not found"),
    Mutation("DLK-3", "kernel/kernel.py", "if held is not None and held.filled:", "if held is not None and not held.empty:",
             ("fan_in", "dlk_3"), "left-over messages are not reported"),
    Mutation("DLK-3", "kernel/kernel.py", "if errors and self._strict:", "if False:",
             ("fan_in", "strict"), "a strict run starves in silence"),
    Mutation("DLK-4", "drivers/concurrent.py", "        watch.start()\n", "",
             ("stalls", "wait_for_each_other"), "nobody looks for stalls"),
    Mutation("DLK-4", "drivers/stalls.py", "            before.tripped\n            or ", "            ",
             ("stalls", "signs_of_life"), "operations are no sign of life"),
    Mutation("DLK-4", "drivers/stalls.py", "any(not effect.over for inv in running", "any(False for inv in running",
             ("stalls", "signs_of_life"), "an effect in flight is a stall"),
    Mutation("DLK-4", "drivers/stalls.py", 'if self._driver.options.on_stall == "fail":', "if False:",
             ("stalls", "asked_for"), "a stall never fails"),
    Mutation("DLK-4", "drivers/stalls.py", "                if this.host is not None:\n", "                if False:\n",
             ("stalls", "inside_a_sub_workflow"), "what happens in a sub-workflow is no sign of life of its host"),
    Mutation("DLK-5", "analysis/lock_order.py", "if step is None or len(step.orders) < 2:", "if True:",
             ("lock_orders", "two_orders"), "inversions are not looked for"),
    Mutation("DLK-5", "analysis/lock_order.py", "one.executor == other.executor or set(one.held) & set(other.held)",
             "False", ("lock_orders", "cannot_deadlock"), "orders that a common key keeps apart are reported"),
    Mutation("DLK-5", "analysis/lock_order.py", "            for before in held:\n", "            for before in list(held)[-1:]:\n",
             ("lock_orders", "not_only"), "only the key taken last counts as held"),
    Mutation("DET-4", "replay/checker.py", "if expected is not None and self.comparison.same(expected, event):",
             "if expected is not None:", ("replay", "first_difference"), "a replay compares nothing"),
    Mutation("DET-4", "replay/same.py", "return recorded == now or (tagged and self._tree(recorded.tree(), now.tree()))",
             "return True", ("replay", "first_difference"), "a replay compares no values"),
    Mutation("DET-4", "replay/gates.py", "            await self._keeper.gate(self._inv, at_end=True)", "            pass",
             ("replay_random", "recorded_random"), "a replayed handler ends when it likes"),
    Mutation("DET-4", "replay/follower.py", "        if isinstance(event, TimedOut):\n", "        if False:\n",
             ("replay", "fires_where_it_did"), "timeouts do not fire again"),
    Mutation("DET-4", "replay/told.py", "        self.fail(this)\n", "", ("replay", "cancelled_from_outside"),
             "a cancellation from outside is not repeated"),
    Mutation("DET-3", "replay/held.py", "self._results.learn(effect.inv, effect.number, function)",
             "super().begin_effect(effect, function, args)", ("replay", "calls_no_effect"), "a replay calls effects"),
    Mutation("DET-3", "replay/admission.py", "done.set_result((self.value(inv, event).fresh(), None))",
             "done.set_result((None, None))", ("replay", "own_objects"), "a replayed effect gives nothing"),
    Mutation("DET-5", "drivers/effects.py", 'await thread_future(lambda: function(*args), "stepscope effect")',
             "function(*args)", ("effects", "plain_functions"), "plain functions run one after another"),
    Mutation("DET-5", "drivers/base.py", "effect.task = self.loop.create_task(perform(function, args))\n",
             _ONE_EFFECT_AFTER_ANOTHER, ("effects", "DET_5"), "effects take the sum of their times"),
    # -- isolation, at each of its doors
    Mutation("ORD-3", "kernel/route.py", "return question(message.payload.fresh())", "return question(message.payload.peek)",
             ("holes", "ord_3"), "a condition gets the message itself"),
    Mutation("ORD-4", "values.py", "self._object = [member._object for member in members]",
             "self._object = [members[0]._object for member in members]",
             ("fan_in", "ord_4"), "a group has its first member's value in every place"),
    Mutation("STA-8", "kernel/operations.py", "op.function(None if before is None else before.fresh())",
             "op.function(None if before is None else before.peek)",
             ("isolation", "update"), "an update's function gets the object itself"),
    Mutation("STA-8", "kernel/operations.py", "        return new.fresh()\n", "        return new.peek\n",
             ("isolation", "update"), "an update gives the object itself"),
    Mutation("STA-8", "kernel/state.py", "item = value.fresh()", "item = value.peek",
             ("isolation", "reducer"), "a reducer gets the contribution itself"),
    Mutation("STA-8", "kernel/state.py", "return ABSENT if committed is None else committed.fresh()",
             "return ABSENT if committed is None else committed.peek",
             ("isolation", "reducer"), "a reducer gets the committed object itself"),
    # -- more of the barrier, of turns and of draws
    Mutation("BAR-3", "kernel/kernel.py", "failed_at, self.superstep = self.superstep, self.superstep - 1",
             "failed_at = self.superstep", ("model", "do_what and not many"), "a failed superstep is counted"),
    Mutation("DET-1", "drivers/parked.py", "if asyncio.current_task() is not inv.task:", "if False:",
             ("determinism", "child_tasks"), "operations of child tasks are not marked"),
    Mutation("DET-1", "drivers/options.py", 'return 0 if self.mode == "deterministic" else secrets.randbits(53)',
             "return secrets.randbits(53)", ("determinism", "no_seed"), "no seed is any seed"),
    Mutation("DET-3", "drivers/base.py", "/{inv.position}/{inv.effects}", "/{inv.effects}",
             ("holes", "det_3"), "the deliveries of a superstep draw the same numbers"),
    Mutation("STA-4", "kernel/state.py", "self._live_writers.setdefault(key, {})[inv.rank] = inv.executor",
             "self._live_writers[key] = {inv.rank: inv.executor}",
             ("model", "do_what and not many"), "a commit names one writer of a live key"),
    Mutation("STA-5", "kernel/locks.py", "self._released(inv, key, lock, reason, line)",
             'self._released(inv, key, lock, "exit", line)',
             ("model", "lock_programs and not many"), "a release does not say why"),
    Mutation("DLK-2", "kernel/locks.py", "                    self._give_up(inv, self._taken(ticket), \"ended\", record.line)\n",
             "                    pass\n",
             ("locks_given_up", "who_is_refused_a_key"), "who is refused a key keeps those it took before"),
    Mutation("ORD-8", "kernel/route.py", 'known = "is no executor of this workflow" if wanted is None', 'known = "has no edge" if wanted is None',
             ("drops", "addressed"), "a drop does not say that there is no such executor"),
    Mutation("BAR-2", "drivers/session.py", "        journal.listen((), ())\n", "",
             ("barrier", "after_the_run"), "what is asked after the run reaches observers that are closed"),
    Mutation("STA-5", "kernel/locks.py", "if self._others_first(lock, inv, granted) or (", "if (",
             ("locks_by_hand", "just_let_go"), "a key just let go is for whoever asks first"),
    # -- checkpoints
    Mutation("BAR-1", "drivers/scope.py", "            await keep()\n            kernel.announce()\n",
             "            kernel.announce()\n            await keep()\n",
             ("checkpoints", "BAR_1"), "a superstep is announced before its checkpoint is kept"),
    Mutation("BAR-4", "drivers/session.py", "                if keep is not None:\n                    await keep()\n", "",
             ("checkpoints", "every_barrier"), "barrier 0 has no checkpoint"),
    Mutation("BAR-4", "kernel/kernel.py", "buffered=buffered(self._buffers),", "buffered=[],",
             ("checkpoints", "waits_in_a_fan_in"), "what waits in a fan-in is lost"),
    Mutation("BAR-4", "kernel/kernel.py", "outputs=list(self.outputs),", "outputs=[],",
             ("checkpoints", "finished_run"), "outputs so far are lost"),
    Mutation("BAR-4", "kernel/kernel.py", "grown=self.report.grown(),", "grown=[],",
             ("checkpoints", "growing"), "what was reported is reported again"),
    Mutation("BAR-4", "kernel/kernel.py", "        self.journal.number_from(snapshot.invocations, snapshot.messages)\n", "",
             ("checkpoints", "numbers_on"), "invocations are numbered from the beginning again"),
    Mutation("BAR-4", "checkpoints/checkpoint.py", "if _hash(version, body) != digest:", "if False:",
             ("checkpoints", "one_byte_flipped"), "the digest is not looked at"),
    Mutation("BAR-4", "checkpoints/checkpoint.py", "if held.info != info:", "if False:",
             ("checkpoints", "another_name"), "a checkpoint may be another than the storage says"),
    Mutation("BAR-4", "drivers/resuming.py", "    if changed:\n", "    if False:\n",
             ("checkpoints", "workflow_that_changed"), "a workflow that changed is not refused"),
    Mutation("BAR-4", "drivers/options.py", '"seed": seed}', '"seed": None}',
             ("checkpoints", "seed_that_was_drawn or the_options"), "the seed is drawn anew"),
    Mutation("BAR-4", "drivers/resuming.py", "    await _restore(checkpoint, keeping)\n", "",
             ("checkpoint_failures", "each_barrier"), "executors get nothing back"),
    Mutation("BAR-4", "checkpoints/encoding.py", "        return found\n",
             "        return found or __import__('pydoc').locate(name.replace(':', '.'))\n",
             ("checkpoint_types", "not_declared_any_more"), "types are imported by the name a checkpoint gives"),
    Mutation("BAR-4", "checkpoints/encoding.py", "    made = object.__new__(cls)\n    for name, value in fields.items():\n",
             "    made = cls(**fields)\n    for name, value in fields.items():\n",
             ("checkpoint_types", "without_its_constructor"), "loading runs constructors"),
    Mutation("BAR-5", "kernel/kernel.py", "Digest.continued(snapshot.chain)", 'Digest.continued(b"")',
             ("checkpoints", "finished_run"), "the digest begins anew"),
    Mutation("BAR-5", "kernel/kernel.py", "self.state.committed = dict(snapshot.state)",
             "self.state.committed.update(snapshot.state)", ("checkpoints", "deleted"), "a deleted key is initial again"),
    Mutation("BAR-5", "kernel/kernel.py", "        self.superstep = self.report.superstep = snapshot.superstep\n", "",
             ("checkpoints", "same_keys"), "a repeated superstep draws other keys"),
    Mutation("BAR-6", "drivers/checkpointing.py", "        if not self._fails:\n            return\n", "        return\n",
             ("checkpoint_failures", "goes_on_from_the_last"), "a run goes on without its checkpoint"),
    Mutation("BAR-6", "drivers/checkpointing.py", '        kernel.report.not_kept(f"{what}.")\n', "",
             ("checkpoint_failures", "with_continue"), "nobody is told"),
    Mutation("BAR-6", "drivers/checkpointing.py", "            if _is_cancelled():\n                raise\n", "",
             ("checkpoint_failures", "cancelled_while"), "a cancelled run goes on"),
    # -- composition
    Mutation("SUB-1", "drivers/scope.py", "{inv.executor}/{inv.kernel.superstep}/{inv.position}/", "",
             ("holes", "sub_1"), "a sub-workflow draws the same numbers each time"),
    Mutation("SUB-1", "drivers/scope.py", 'prefix = f"{inv.executor}/"', 'prefix = ""',
             ("composition", "SUB_1"), "ids inside have no prefix"),
    Mutation("SUB-1", "drivers/scope.py", "strict=driver.options.strict", "strict=False",
             ("composition", "strict"), "strictness stops at the sub-workflow"),
    Mutation("SUB-1", "drivers/scope.py", "return kernel.outputs", "return kernel.outputs[:1]",
             ("composition", "outputs"), "only its first output is sent"),
]  # fmt: skip
