"""What both drivers share: running one invocation in its task or thread, its effects, and ending it.

A driver decides only who goes when; see `concurrent` and `controlled`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..context import SyncWorkflowContext, WorkflowContext
from ..errors import HandlerTimeoutError, WorkflowError
from ..journal import Journal
from ..kernel import Inboxes, Invocation, Kernel, Plan
from ..kernel.ops import BeginEffect, EndEffect, Op
from ..values import Value
from . import blocked
from .describe import error_info
from .effects import Effect, EffectFuture, perform, thread_future
from .options import RunOptions
from .round import Answer, Round
from .threads import ThreadPort
from .timeouts import Countdown
from .waiting import waiting_for


class Driver(ABC):
    """Runs supersteps. Also the port of async handlers' contexts."""

    blocking = False

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        """Must be made inside the event loop that will run it."""
        self.loop = asyncio.get_running_loop()
        self.journal = journal
        self.options = options
        self.traced = journal.on
        self.seed = seed
        self._threads = ThreadPort(self)
        self._own_tasks = self.loop.get_task_factory() is not None
        self._effects: dict[Invocation, list[Effect]] = {}
        self.rounds: list[Round] = []
        """The supersteps under way: the run's, and those of sub-workflows after their hosts'."""
        self.hosting: dict[Invocation, Callable[[], None]] = {}
        """How to end the sub-workflow that an invocation hosts, at once."""
        self._untold: set[Invocation] = set()
        """Sync handlers that were cancelled and do not know it yet."""
        self._threads_of: dict[Invocation, int] = {}
        self._expired: dict[Invocation, HandlerTimeoutError] = {}
        """Those whose timeout has fired, until they end (PAR-4)."""
        self.begin: Callable[[Invocation], asyncio.Task[None]] = self.task
        """How to start an invocation."""
        self.blocking_places: set[tuple[str, str, str, int]] = set()
        """Where handlers of this run were found to block the event loop: executor, part, file, line (PAR-3)."""

    # -- what differs --------------------------------------------------------------------------------------------

    @abstractmethod
    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """Run every invocation to its end. `host` is the invocation a sub-workflow runs in."""

    @abstractmethod
    def give_up(self, this: Round) -> None:
        """The grace is over: abandon what still runs of a superstep."""

    @abstractmethod
    def fail(self, this: Round) -> None:
        """A superstep cannot commit: cancel all that runs in it and await them, for a while (BAR-3)."""

    @abstractmethod
    def countdown(self, inv: Invocation, timer: Countdown) -> None:
        """An invocation with a timeout starts (PAR-4)."""

    @abstractmethod
    def wants_turn(self, inv: Invocation) -> bool:
        """Whether it could go on, and waits only to be let."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the run lasts: notice by time what only time shows (PAR-3)."""
        threshold = self.options.block_threshold
        if threshold is None:
            yield
        else:
            with blocked.WATCHDOG.watching(self, threshold):
                yield

    @contextmanager
    def round(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> Iterator[Round]:
        """A superstep while it is under way."""
        this = Round(kernel, inboxes, host)
        self.rounds.append(this)
        try:
            yield this
        finally:
            self.rounds.remove(this)

    @abstractmethod
    async def perform(self, inv: Invocation, op: Op) -> Any:
        """An async handler's operation."""

    @abstractmethod
    def submit(self, inv: Invocation, op: Op, answer: Answer) -> None:
        """A sync handler's operation, on the loop's thread."""

    @abstractmethod
    def interrupt_waiting(self, inv: Invocation) -> bool:
        """A sync handler is cancelled: answer its pending operations with `CancelledError`; whether there was any."""

    @abstractmethod
    def ended(self, inv: Invocation) -> None:
        """The invocation has ended."""

    @abstractmethod
    def ready(self, effect: Effect) -> None:
        """An effect has its result, which may be admitted now or later (DET-3)."""

    def task(self, inv: Invocation) -> asyncio.Task[None]:
        """Start an invocation in a task of its own (PAR-5)."""
        context = inv.round.context.copy()
        if self._own_tasks:
            return self.loop.create_task(self.invoke(inv), context=context)
        return asyncio.Task(self.invoke(inv), loop=self.loop, context=context)  # create_task, with a call less

    def prepare(self, plan: Plan) -> None:
        """A scope of this plan begins."""
        if plan.timed or self.options.timeout is not None:
            self.begin = self._begin_timed

    def _begin_timed(self, inv: Invocation) -> asyncio.Task[None]:
        inv.task = task = self.task(inv)
        seconds = self._timeout_of(inv)
        if seconds is not None and not task.done():
            timer = Countdown(self.loop, seconds, lambda: self.expire(inv))
            self.countdown(inv, timer)
            task.add_done_callback(lambda _: timer.stop())
        return task

    def _timeout_of(self, inv: Invocation) -> float | None:
        """Its own, or the run's; a sub-workflow has none itself: its handlers do."""
        spec = inv.handler
        if spec.runs == "workflow":
            return None
        own: float | None = spec.timeout
        return self.options.timeout if own is None else own

    # -- one invocation ------------------------------------------------------------------------------------------

    async def invoke(self, inv: Invocation) -> None:
        """The whole life of an invocation: the coroutine of its task (PAR-5)."""
        kernel: Kernel = inv.kernel
        if inv.task is None:  # an eager task runs before its maker has it
            inv.task = asyncio.current_task()
        try:
            payload = kernel.start(inv)
            if self.traced and inv.begun is not None:
                for sink in self.journal.sinks:
                    sink.enter_handler(inv.begun)
            spec = inv.handler
            if spec.runs == "task":
                await spec.call(payload, WorkflowContext(self, inv, spec.code))
            elif spec.runs == "thread":
                await self._in_thread(
                    inv, lambda: spec.call(payload, SyncWorkflowContext(self._threads, inv, spec.code))
                )
            else:
                await spec.host(self, inv, payload)
        except asyncio.CancelledError:
            if inv.cancelling:
                self._end_stopped(inv)
            else:
                kernel.end(inv, "failed", WorkflowError(
                    f"executor {inv.executor!r}: the handler was cancelled by something other than the runtime; catch "
                    f"asyncio.CancelledError where it is expected."
                ))  # fmt: skip
        except Exception as error:
            kernel.end(inv, "failed", self._failure(inv, error))
        except BaseException as error:
            kernel.end(inv, "failed", self._failure(inv, error))
            if isinstance(error, (KeyboardInterrupt, SystemExit)):  # the process is being ended: said, now let it
                self._over(inv)
                inv.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen
                raise
        else:
            if inv.cancelling:
                self._end_stopped(inv)
            else:
                kernel.end(inv, "completed")
        self._over(inv)

    def _end_stopped(self, inv: Invocation) -> None:
        """It was cancelled and has ended: it cannot turn its timeout into success (PAR-4)."""
        late = self._expired.pop(inv, None)
        inv.kernel.end(inv, "cancelled" if late is None else "failed", late)

    def _failure(self, inv: Invocation, error: BaseException) -> BaseException:
        """What failed it: its timeout, whatever it raised on being cancelled."""
        late = self._expired.pop(inv, None) if inv.cancelling else None
        if late is None:
            return error
        late.add_note(f"While it was being cancelled it raised {type(error).__name__}.")
        late.__context__ = error
        return late

    def expire(self, inv: Invocation) -> None:
        """Its timeout fires (PAR-4)."""
        seconds = self._timeout_of(inv)
        if inv.running and not inv.cancelling and seconds is not None:
            self.time_out(inv, seconds, waiting_for(self, inv))

    def time_out(self, inv: Invocation, seconds: float, waits: str) -> None:
        """From here its superstep fails, and it ends as failed whatever it does (PAR-4, BAR-3)."""
        late = HandlerTimeoutError(
            f"executor {inv.executor!r}: the handler took longer than its timeout of {seconds:g} s; it was waiting for "
            f"{waits}."
        )
        late.executor, late.seconds, late.waiting_for = inv.executor, seconds, waits
        self._expired[inv] = late
        inv.kernel.timed_out(inv, seconds, waits)
        self.fail(inv.round)

    def _over(self, inv: Invocation) -> None:
        if self._effects:
            self._end_effects(inv)
        if self._untold:
            self._untold.discard(inv)
        self.ended(inv)

    def _end_effects(self, inv: Invocation) -> None:
        for effect in self._effects.pop(inv, ()):
            effect.future.cancel()

    async def _in_thread(self, inv: Invocation, call: Callable[[], Any]) -> None:
        """A sync handler (PAR-2). A thread cannot be interrupted: once cancelled, it is waited for (BAR-3)."""

        def noted() -> Any:
            self._threads_of[inv] = threading.get_ident()
            return call()

        work = thread_future(noted, f"stepscope {inv.executor}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.done() or not inv.cancelling:
                raise
            self._interrupt(inv)
            while not work.done() and inv.outcome is None:
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    continue
                except Exception:
                    break
            if not work.done():  # abandoned: nobody will look at what it gives
                work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        finally:
            self._threads_of.pop(inv, None)

    def thread_of(self, inv: Invocation) -> int | None:
        """Identifier of the thread a sync handler runs in."""
        return self._threads_of.get(inv)

    def effects_of(self, inv: Invocation) -> list[Effect]:
        """Its effects that are not admitted yet, in the order asked."""
        return list(self._effects.get(inv, ()))

    def _interrupt(self, inv: Invocation) -> None:
        """A sync handler was cancelled: it is told in what it waits for, or else, by `tell`, in its next operation."""
        waited = self.interrupt_waiting(inv)
        for effect in list(self._effects.get(inv, ())):
            waited = effect.future.cancel() or waited
        if waited:
            self._untold.discard(inv)

    def tell(self, inv: Invocation) -> None:
        """Before a sync handler's operation: raises `CancelledError`, once, if it was cancelled meanwhile."""
        if inv in self._untold:
            self._untold.discard(inv)
            raise asyncio.CancelledError

    def stop(self, inv: Invocation) -> None:
        """Ask an invocation to end (BAR-3). One whose task has not run yet never begins."""
        inv.cancelling = True
        inv.task.cancel()
        if inv.started and inv.handler.runs == "thread":
            self._untold.add(inv)
        if not inv.started:
            inv.round.running.pop(inv)

    def stop_all(self, this: Round) -> None:
        """Ask every invocation of a superstep to end, in rank order."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            self.stop(inv)

    def abandon(self, inv: Invocation) -> None:
        """It ignored cancellation: it is fenced, and no longer waited for; what it hosts before it (BAR-3, SUB-1)."""
        for inner in [this for this in self.rounds if this.host is inv]:
            self.give_up(inner)
        if inv in self.hosting:
            self.hosting.pop(inv)()
        inv.kernel.end(inv, "abandoned", self._expired.pop(inv, None))
        self._end_effects(inv)
        inv.task.cancel()

    # -- effects -------------------------------------------------------------------------------------------------

    def effect(
        self, inv: Invocation, name: str, line: int, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> EffectFuture:
        """Start an effect (DET-3)."""
        number = inv.kernel.apply(inv, BeginEffect(name, line))
        effect = Effect(inv, number, name, EffectFuture(loop=self.loop))
        self._effects.setdefault(inv, []).append(effect)
        effect.future.on_cancel = lambda: self._drop_effect(effect)
        self.asked(effect)
        self.begin_effect(effect, function, args)
        return effect.future

    def begin_effect(self, effect: Effect, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Let the work begin."""
        effect.task = self.loop.create_task(perform(function, args))
        effect.task.add_done_callback(lambda _: self._effect_done(effect))

    @abstractmethod
    def asked(self, effect: Effect) -> None:
        """An effect was started."""

    @abstractmethod
    def dropped(self, effect: Effect) -> None:
        """An effect was cancelled by its handler, or its handler has ended."""

    def _effect_done(self, effect: Effect) -> None:
        if not effect.future.done():
            self.ready(effect)
        elif effect.task is not None and not effect.task.cancelled():
            effect.task.exception()  # seen: nobody waits for it any more

    def _drop_effect(self, effect: Effect) -> None:
        """The handler cancelled the effect's future, by a timeout say: the effect ends there (DET-3)."""
        inv = effect.inv
        if effect.task is not None:
            effect.task.cancel()
        self.dropped(effect)
        if effect in self._effects.get(inv, ()):
            self._effects[inv].remove(effect)
        if inv.running:
            info = error_info(asyncio.CancelledError())
            inv.kernel.apply(inv, EndEffect(effect.number, effect.name, None, info))

    def admit(self, effect: Effect) -> None:
        """Record an effect's result and give it to the handler."""
        task, future = effect.task, effect.future
        assert task is not None
        self._effects[effect.inv].remove(effect)
        error: BaseException | None
        value: Value | None = None
        result: Any = None
        if task.cancelled():
            error = asyncio.CancelledError()
        else:
            result, error = task.result()
        if error is None:
            try:
                value = Value.of(result, "executor {!r}: result of effect {}", effect.inv.executor, effect.name)
            except WorkflowError as refused:
                error = refused
        info = None if error is None else error_info(error)
        effect.inv.kernel.apply(effect.inv, EndEffect(effect.number, effect.name, value, info))
        if error is None:
            assert value is not None
            future.set_result(value.fresh())
        elif isinstance(error, asyncio.CancelledError):
            future.on_cancel = None
            future.cancel()
        else:
            future.set_exception(error)

    def instant(self, inv: Invocation, name: str, line: int, make: Callable[[], Any]) -> Any:
        """An effect that takes no time."""
        number = inv.kernel.apply(inv, BeginEffect(name, line))
        result = make()
        stored = Value.of(result, "executor {!r}: result of {}", inv.executor, name)
        inv.kernel.apply(inv, EndEffect(number, name, stored, None))
        return result

    def now(self) -> dt.datetime:
        """Wall clock time, UTC."""
        return dt.datetime.now(dt.UTC)

    def draw(self, inv: Invocation) -> int:
        """128 bits that hang only on the seed and on which draw of which delivery this is (DET-3)."""
        place = f"{self.seed}/{inv.kernel.place}{inv.executor}/{inv.kernel.superstep}/{inv.position}/{inv.effects}"
        return int.from_bytes(hashlib.blake2b(place.encode("utf-8", "surrogatepass"), digest_size=16).digest())
