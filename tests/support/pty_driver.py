"""Runs a program on a pseudo-terminal of a given size, presses keys, reads its screen and times its answers."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import pyte

KEYS = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C",
    "left": "\x1b[D", "page-up": "\x1b[5~", "page-down": "\x1b[6~", "ctrl+p": "\x10", "space": " ", "f1": "\x1bOP",
    "backspace": "\x7f",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """How a program answered a key: seconds to the first byte and to the last one before it went quiet."""

    first: float
    last: float
    bytes: int


class Terminal:
    """A child process on a pty, and the screen it has drawn. Use as a context manager."""

    def __init__(
        self, argv: Sequence[str], *, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        """Start `argv`. `env` is added to this process's environment (TERM is xterm-256color unless given)."""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.status: int | None = None
        self.started = time.perf_counter()
        full = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], list(argv), full)
            finally:
                os._exit(127)
        self.resize(columns, rows)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the program is told by SIGWINCH."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """The screen's rows, without trailing spaces."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines)

    def pump(self, timeout: float) -> bool:
        """Read what is there, waiting up to `timeout` seconds for something; False if nothing came or it has ended."""
        data = self._read(timeout)
        self._stream.feed(data)
        return bool(data)

    def _read(self, timeout: float) -> bytes:
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b""
        if not data:
            self._reap()
        self.raw += data
        return data

    def wait_for(self, *texts: str, timeout: float = 10.0, gone: Sequence[str] = ()) -> float:
        """Read until the screen shows all `texts` and none of `gone`; seconds since the start of the program.

        Raises AssertionError, with the screen, if that does not happen within `timeout` seconds.
        """
        deadline = time.perf_counter() + timeout
        while True:
            now = time.perf_counter()
            shown = self.text
            if all(text in shown for text in texts) and not any(text in shown for text in gone):
                return now - self.started
            if now > deadline or (not self.pump(min(0.5, deadline - now + 0.001)) and self.status is not None):
                raise AssertionError(f"waited for {texts}, without {list(gone)}; the screen is:\n{shown}")

    def send(self, keys: str) -> None:
        """Press keys: a name of `KEYS`, or characters as they are."""
        os.write(self.fd, KEYS.get(keys, keys).encode())

    def press(self, keys: str, *, quiet: float = 0.03, timeout: float = 5.0) -> Answer:
        """Press keys and time the answer; over when nothing came for `quiet` seconds. `first` is `timeout` if none did.

        The screen is brought up to date afterwards: emulating a terminal takes longer than a real one does.
        """
        chunks: list[bytes] = []
        first, last, wait = timeout, 0.0, timeout
        begin = time.perf_counter()
        self.send(keys)
        while data := self._read(wait):
            now = time.perf_counter() - begin
            first, last, wait = min(first, now), now, quiet
            chunks.append(data)
        answer = b"".join(chunks)
        self._stream.feed(answer)
        return Answer(first, last, len(answer))

    def settle(self, quiet: float = 0.3, timeout: float = 10.0) -> None:
        """Read until nothing has come for `quiet` seconds."""
        deadline = time.perf_counter() + timeout
        while self.pump(quiet) and time.perf_counter() < deadline:
            pass

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Exit code of the program; raises AssertionError if it does not end in time."""
        deadline = time.perf_counter() + timeout
        while self.status is None and time.perf_counter() < deadline:
            self.pump(0.1)
            self._reap(block=False)
        assert self.status is not None, f"the program has not ended; the screen is:\n{self.text}"
        return self.status

    def close(self) -> None:
        """End the program if it still runs, and let go of the terminal."""
        if self.status is None:
            self._reap(block=False)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _reap(self, block: bool = True) -> None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, 0 if block else os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
