"""What a program does to the files in a folder, as strace saw it, and what a power cut may leave of them.

The disk forgets what no sync has asked for, any part of it: of the writes and changes of length since a file's last
sync any may be missing, and a write may be there by a part of its sectors; a file that was made or removed may be
absent or present until its folder is synced.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .children import environment

SECTOR = 512
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_FD = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>")
_HEX = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Call:
    """One change to the folder, or a line that the program printed."""

    name: str
    path: str = ""
    data: bytes = b""
    offset: int = 0


def strace(*options: str) -> list[str]:
    """The beginning of a command line that runs a program under strace; skips the test where there is none."""
    command = ["strace", "-f", "-qq", *options]
    if shutil.which("strace") is None or subprocess.run([*command, "-o", "/dev/null", "true"]).returncode:
        pytest.skip("needs strace, and the right to use it")
    return command


def traced(program: str, folder: Path, log: Path, *arguments: str) -> list[Call]:
    """Run a Python program; what it did to files in `folder`, and what it printed, in order."""
    watched = "openat,pwrite64,ftruncate,fsync,fdatasync,unlink,write"
    command = strace("-y", "-xx", "-s", "1000000", "-e", f"trace={watched}", "-e", "signal=none", "-o", str(log))
    subprocess.run([*command, sys.executable, "-c", program, *arguments], check=True, env=environment(), timeout=120)
    return list(_parsed(log.read_text(), folder))


def _text(quoted: str) -> str:
    return bytes.fromhex("".join(_HEX.findall(quoted))).decode()


def _parsed(log: str, folder: Path) -> Iterator[Call]:
    for line in log.splitlines():
        found = _CALL.match(line)
        assert "unfinished" not in line or str(folder) not in line
        if not found or int(found[3]) < 0:
            continue
        name, given = found[1], found[2]
        if name == "openat":
            path = _text(given.split(", ")[1])
            if path.startswith(f"{folder}/") and "O_CREAT" in given:
                yield Call("create", path)
        elif name == "unlink":
            yield Call(name, _text(given))
        elif fd := _FD.match(given):
            path = _text(fd[2]) if "\\x" in fd[2] else fd[2]
            if name == "write":
                if fd[1] == "1":
                    yield Call("print", data=_text(given.split(", ")[1]).encode())
            elif path == str(folder):
                yield Call("sync folder")
            elif path.startswith(f"{folder}/"):
                parts = given.split(", ")
                if name == "pwrite64":
                    yield Call("write", path, bytes.fromhex("".join(_HEX.findall(parts[1]))), int(parts[3]))
                elif name == "ftruncate":
                    yield Call("truncate", path, offset=int(parts[1]))
                else:
                    yield Call("sync", path)


@dataclass
class Disk:
    """What is on the disk for sure, and what may be missing of the changes since."""

    _contents: dict[int, bytes] = field(default_factory=dict)
    """By file, whatever its name is."""
    _names: dict[str, int] = field(default_factory=dict)
    _changes: list[tuple[int, Call]] = field(default_factory=list)
    """Of contents, not synced yet."""
    _renamings: dict[str, list[int | None]] = field(default_factory=dict)
    """What names came to mean since the folder was synced: a file, or none."""
    _made: int = 0

    def do(self, call: Call) -> None:
        """Follow the program."""
        now = self._renamings.get(call.path, [self._names.get(call.path)])[-1]
        if call.name == "create":
            if now is None:
                self._made += 1
                self._renamings.setdefault(call.path, []).append(self._made)
        elif call.name == "unlink":
            self._renamings.setdefault(call.path, []).append(None)
        elif call.name == "sync folder":
            self._names = _renamed(self._names, {path: meant[-1] for path, meant in self._renamings.items()})
            self._renamings = {}
        elif now is not None:
            if call.name == "sync":
                self._contents = _changed(self._contents, [one for one in self._changes if one[0] == now])
                self._changes = [one for one in self._changes if one[0] != now]
            else:
                self._changes.append((now, call))

    def as_the_process_sees_it(self) -> dict[str, bytes]:
        """The files as they are without a power cut, by path."""
        contents = _changed(self._contents, self._changes)
        meant = {path: later[-1] for path, later in self._renamings.items()}
        return {path: contents.get(file, b"") for path, file in _renamed(self._names, meant).items()}

    def after_a_power_cut(self, draw: random.Random) -> dict[str, bytes]:
        """The files there may be, by path."""
        chance = draw.choice([0.0, 0.3, 0.7, 1.0])
        survived: list[tuple[int, Call]] = []
        for file, call in self._changes:
            if call.name != "write":
                if draw.random() < chance:
                    survived.append((file, call))
                continue
            for at in range(0, len(call.data), SECTOR):
                if draw.random() < chance:
                    part = Call("write", call.path, call.data[at : at + SECTOR], call.offset + at)
                    survived.append((file, part))
        contents = _changed(self._contents, survived)
        meant = {path: draw.choice([self._names.get(path), *later]) for path, later in self._renamings.items()}
        return {path: contents.get(file, b"") for path, file in _renamed(self._names, meant).items()}


def _renamed(names: dict[str, int], meant: dict[str, int | None]) -> dict[str, int]:
    return {path: file for path, file in {**names, **meant}.items() if file is not None}


def _changed(contents: dict[int, bytes], changes: Sequence[tuple[int, Call]]) -> dict[int, bytes]:
    contents = dict(contents)
    for file, call in changes:
        old = contents.get(file, b"")
        if call.name == "truncate":
            contents[file] = old[: call.offset].ljust(call.offset, b"\0")
        else:
            old = old.ljust(call.offset, b"\0")
            contents[file] = old[: call.offset] + call.data + old[call.offset + len(call.data) :]
    return contents
