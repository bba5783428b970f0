# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A booted guest as it is watched from outside: its serial line, its ssh server, its answers."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gpuforge.events import Status
from gpuforge.providers.local import guest_checks, qemu, seed, serial_log
from gpuforge.providers.local.guest_checks import Answer, Finding, GuestCommand
from gpuforge.providers.local.tools import die_with_parent, find_tool

_POLL_SECONDS: Final = 1.0
_GREETING_SECONDS: Final = 10.0  # an emulated guest takes its time to start the process that greets
_LOGIN_SECONDS: Final = (
    120.0  # for one login; a connection can get lost in its middle, where ssh has no limit of its own
)
_PROGRESS_SECONDS: Final = 15.0  # between two reports that nothing is new
_STUCK_SECONDS: Final = 5.0  # that a sign of a stuck boot must stand before it is believed

_SSH_FAILED: Final = 255  # ssh's own status, where it is not that of the command

Say = Callable[[Status, str], None]


class BootFailed(Exception):
    """The boot failed; the finding says how."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(kind, message)


class _LoginLost(Exception):
    """An ssh connection was made and then nothing came."""


class Session:
    """One guest on its way from power-on to its answers."""

    def __init__(self, guest: qemu.Guest, keys: seed.Seed, log: Path, deadline: float, say: Say) -> None:
        self.guest, self.keys, self.log, self.deadline, self.say = guest, keys, log, deadline, say
        self._stuck_since: float | None = None

    def serial(self) -> str:
        return serial_log.plain(self.log.read_bytes()) if self.log.exists() else ""

    def look(self, waiting_for: str) -> None:
        """Raise where the guest has ended, is stuck or has run out of time."""
        text = self.serial()
        stuck = serial_log.find_stuck(text)
        if ended := self.guest.ended():
            if stuck is not None:
                raise BootFailed(stuck.kind, stuck.message)
            raise BootFailed(
                "ended", f"the guest reset or switched itself off while waiting for {waiting_for} ({ended})"
            )
        now = time.monotonic()
        if stuck is None:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > _STUCK_SECONDS:
            raise BootFailed(stuck.kind, stuck.message)
        if now > self.deadline:
            if stuck is not None:
                raise BootFailed(stuck.kind, stuck.message)
            raise BootFailed("timeout", f"the time limit ran out while waiting for {waiting_for}")

    def ssh_answers(self) -> bool:
        """Whether an ssh server greets on the forwarded port. QEMU accepts for the guest, so only the greeting
        counts."""
        try:
            with socket.create_connection(("127.0.0.1", self.guest.ssh_port), 1) as connection:
                connection.settimeout(_GREETING_SECONDS)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_for_ssh(self) -> None:
        last = time.monotonic()
        while not self.ssh_answers():
            self.look("ssh")
            if time.monotonic() - last > _PROGRESS_SECONDS:
                last = time.monotonic()
                line = serial_log.tail(self.serial(), 1)
                self.say("progress", "waiting for ssh" + (f": {line[0].strip()[:120]}" if line else ""))
            time.sleep(_POLL_SECONDS)

    def ask(self, commands: Sequence[GuestCommand]) -> dict[str, Answer]:
        """Run all *commands* in the guest by one connection. Tried again until the account is there; ssh's status is
        255."""
        nonce = guest_checks.make_nonce()
        script = guest_checks.make_script(commands, nonce)
        while True:
            answers: dict[str, Answer] = {}
            status, words = self._ssh("sudo -n /bin/sh -s", script, nonce, answers)
            if answers or status != _SSH_FAILED:
                if len(answers) < len(commands):
                    self.say("warning", f"ssh ended with status {status}: {words}")
                return answers
            try:
                self.look("a login by ssh")
            except BootFailed as exc:
                raise BootFailed(exc.finding.kind, f"{exc.finding.message}; ssh said: {words}") from None
            time.sleep(_POLL_SECONDS)

    def _ssh(self, command: str, script: str, nonce: str, answers: dict[str, Answer]) -> tuple[int, str]:
        argv = seed.ssh_argv(self.keys, self.guest.ssh_port, command)
        errors = self.keys.folder / "ssh.log"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [*die_with_parent(), find_tool("ssh") or "ssh", *argv[1:]],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=self.keys.folder,
                start_new_session=True,
            )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(script.encode())
                process.stdin.close()
            for line in self._lines(process.stdout.fileno(), nonce):
                if (found := guest_checks.parse_line(line, nonce)) is not None:
                    answers[found[0]] = found[1]
                    self.say("progress", f"{found[0]}: status {found[1].status}")
            status = process.wait(10)
        except _LoginLost:
            return _SSH_FAILED, f"the login did not come to an end in {_LOGIN_SECONDS:g} s"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return status, " ".join(errors.read_text(encoding="utf-8", errors="replace").split())[-300:]

    def _lines(self, stream: int, nonce: str) -> Iterator[str]:
        """Lines of *stream*, while the guest is watched. Raises _LoginLost where the script does not start in time."""
        buffer, started, login_by = b"", False, time.monotonic() + _LOGIN_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if not selector.select(2):
                    self.look("the answers of the guest")
                    if not started and time.monotonic() > login_by:
                        raise _LoginLost
                    continue
                data = os.read(stream, 65536)
                if not data:
                    return
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    text = line.decode("utf-8", "replace")
                    started = started or guest_checks.is_hello(text, nonce)
                    yield text
