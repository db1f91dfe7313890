"""What goes on beside the person: the study of the whole run, and a recording that grows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from stepscope.errors import WorkflowError

from . import background, pace
from .asking import Asking
from .keymap import shown
from .messages import Say, Studied

_FOLLOW_S = 0.2
_AFTER_A_KEY_S = 0.04
"""How long after a moment was shown a person may still press the next key."""
_GIVE_WAY = 5


class Watching(Asking):
    """Studies the run after the first screen, and follows a run that goes on."""

    analyse = True
    _follower: Callable[[], None] | None = None

    def __init__(self, recording_path: str, seq: int | None, run_id: str | None, ascii: bool, keymap: str) -> None:
        """See `DebuggerApp`."""
        super().__init__(recording_path, seq, run_id, ascii, keymap)
        self._leaving = threading.Event()

    def on_mount(self) -> None:
        """Look deeper once the first screen is there."""
        self.findings_panel.put(self.session.findings, complete=not self.analyse)
        self._count_runs()
        self.call_after_refresh(self.study)

    def on_unmount(self) -> None:
        """A person who leaves does not wait for the index."""
        self._leaving.set()

    def do_step(self, step: str) -> None:
        """Move the cursor; a person who steps wants to stay there, so following ends."""
        if self._follower is not None and step != "last":
            self._unfollow("")
        super().do_step(step)

    def open_run(self, run_id: str) -> None:
        """Show another run of the recording."""
        self._unfollow("")
        self.session.open(self.recording.run(run_id))
        self.log_panel.only(None)
        self.scrubber.set_errors([])
        self.findings_panel.put(self.session.findings, complete=not self.analyse)
        self._count_runs()
        self.retitle()
        self.show()
        self.study()

    def _count_runs(self) -> None:
        ids = [info.run_id for info in self.recording.runs]
        here = ids.index(self.session.run.info.run_id) + 1
        keys = [shown(key, self.looks.ascii) for key in self.keys["palette"]]
        self.status.notes = [f"run {here}/{len(ids)}", f"{keys[0]} lists runs"] if len(ids) > 1 else []

    def study(self) -> None:
        """Build the index, find the errors and, if wanted, analyse, without keeping anybody waiting."""
        self.run_worker(self._study(), group="study", exclusive=True)

    async def _study(self) -> None:
        run = self.session.run
        try:
            if not await asyncio.to_thread(run.build_index, self._go_on_studying):
                return
            errors = await asyncio.to_thread(background.error_seqs, run)
        except WorkflowError as error:
            self.post_message(Say(str(error), error=True))
            return
        found = None
        if self.analyse:
            from .analyse import findings_of

            found = await findings_of(str(self.recording.path), run.info.run_id)
        self.post_message(Studied(errors, found))

    def _go_on_studying(self, share: float) -> bool:
        """Asked from the thread that builds the index: it gives way to keys for a while, and ends with the screen."""
        for _ in range(_GIVE_WAY):
            if time.monotonic() - self.shown_at > _AFTER_A_KEY_S or self._leaving.wait(_AFTER_A_KEY_S / 2):
                break
        return not self._leaving.is_set()

    def on_studied(self, message: Studied) -> None:
        """The whole run has been looked at."""
        pace.studied()
        self.scrubber.set_errors(message.errors)
        if message.findings is not None:
            self.session.set_findings(message.findings)
        elif self.analyse:
            self.say("This run could not be analysed; what the runtime reported is shown.", error=True)
        self.findings_panel.put(self.session.findings, complete=True)
        self.retitle()
        self.show()

    def do_follow(self) -> None:
        """Follow a recording that is still being written, or stop."""
        if self._follower is not None:
            self._unfollow("No longer following.")
        elif not self._going_on():
            self.say("This run is over: there is nothing to follow.")
        else:
            self._follower = self.set_interval(_FOLLOW_S, self._follow_on).stop
            self.status.live = True
            self.session.last()
            self.show()
            self.say("Following; F stops.")

    def _unfollow(self, sentence: str) -> None:
        if self._follower is not None:
            self._follower()
            self._follower = None
        self.status.live = False
        self.show()
        self.say(sentence)

    def _going_on(self) -> bool:
        """Whether somebody is still writing; an interrupted run has no end and gets none."""
        return self.session.run.info.status == "running"

    def _follow_on(self) -> None:
        self.attempt(self._grown)
        if not self._going_on():
            self._unfollow("The run is over.")
            self.study()

    def _grown(self) -> None:
        if self.recording.refresh():
            self.session.set_findings(self.session.run.findings())
            self.session.last()
            self.retitle()
            self.show()
