# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Everything that can go wrong, as types.

An error says what was being done (``doing``), what happened (``message``) and what to do (``hint``). Constructors have
no side effects and nothing here prints: ``gpuforge.cli.main`` alone turns an error into text and an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

# The exit codes of the command line. 70 is EX_SOFTWARE of sysexits.h: a fault of gpuforge itself, not of its user.
EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_TASK = 4
EXIT_VERIFICATION = 5
EXIT_CLOUD = 6
EXIT_CLEANUP = 7
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what the user asked for.

    ``where`` is a key path such as ``disk.size_gib`` (empty: the whole file), ``what`` is what is wrong there, ``why``
    the rule behind it, ``hint`` what to do, ``at`` the place in a file as ``FILE:LINE:COLUMN`` where there is one.
    """

    where: str
    what: str
    why: str = ""
    hint: str = ""
    at: str = ""

    def render(self) -> str:
        """The problem as one or two lines of text, the hint on the second."""
        head = ": ".join(part for part in (self.at, self.where, self.what) if part)
        if self.why:
            head += f" ({self.why})"
        return f"{head}\n    {self.hint}" if self.hint else head


class GpuforgeError(Exception):
    """Base of all expected failures.

    Args:
        message: what happened, one sentence without a full stop.
        hint: what the user can do about it.
        doing: what was being done, as a gerund ("baking layer perf_tuning").
        exit_code: overrides the class's exit code.
        problems: every single reason, where there are several.
    """

    default_exit_code: ClassVar[int] = EXIT_INTERNAL

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        doing: str = "",
        exit_code: int | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.doing = doing
        self.exit_code = type(self).default_exit_code if exit_code is None else exit_code
        self.problems = tuple(problems)

    def details(self) -> tuple[str, ...]:
        """Lines that belong between the message and the hint (tool output, for instance)."""
        return ()

    def render(self) -> str:
        """The whole error as text: what was being done, what happened, every problem, what to do."""
        lines = [f"{self.doing}: {self.message}" if self.doing else self.message]
        lines += [f"  | {line}" for line in self.details()]
        for problem in self.problems:
            lines += [f"  {line}" for line in problem.render().splitlines()]
        if self.hint:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """JSON-ready form; ``error_from_json`` is its inverse."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "doing": self.doing,
            "hint": self.hint,
            "exit_code": self.exit_code,
            "problems": [asdict(problem) for problem in self.problems],
        }


class UsageError(GpuforgeError):
    """The command line asks for something impossible."""

    default_exit_code = EXIT_USAGE


class SpecError(UsageError):
    """The image spec is wrong; ``problems`` holds all there is to say about it."""


class Refused(GpuforgeError):
    """The plan refuses the combination; nothing was touched."""

    default_exit_code = EXIT_REFUSED


class StoreError(Refused):
    """The work directory or something in it cannot be used."""


class ToolMissing(Refused):
    """A program that the host needs is not there."""


class NoRoot(Refused):
    """The step needs root (or the capabilities of root) and does not have it."""


class TaskFailed(GpuforgeError):
    """A task failed on the machine that was being baked.

    Args:
        layer: name of the layer that was being applied.
        task: name of the failed task.
        output: the last lines that the task printed, oldest first.
    """

    default_exit_code = EXIT_TASK

    def __init__(
        self,
        message: str,
        *,
        layer: str = "",
        task: str = "",
        output: Sequence[str] = (),
        hint: str = "",
        doing: str = "",
        exit_code: int | None = None,
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message, hint=hint, doing=doing, exit_code=exit_code, problems=problems)
        self.layer = layer
        self.task = task
        self.output = tuple(output)

    def details(self) -> tuple[str, ...]:
        """The task's own lines."""
        return self.output

    def to_json(self) -> dict[str, object]:
        """As the base, with the layer, the task and its output."""
        return {**super().to_json(), "layer": self.layer, "task": self.task, "output": list(self.output)}


class VerificationFailed(GpuforgeError):
    """The image does not boot, or booted and did not pass its checks."""

    default_exit_code = EXIT_VERIFICATION


class CloudRefused(GpuforgeError):
    """A cloud said no: credentials, quota, capacity."""

    default_exit_code = EXIT_CLOUD


class CleanupIncomplete(GpuforgeError):
    """Something was left behind; the message names it."""

    default_exit_code = EXIT_CLEANUP


class Interrupted(GpuforgeError):
    """The user (or the system) asked the run to stop."""

    default_exit_code = EXIT_INTERRUPTED


_TYPES: dict[str, type[GpuforgeError]] = {
    cls.__name__: cls
    for cls in (
        GpuforgeError, UsageError, SpecError, Refused, StoreError, ToolMissing, NoRoot,
        VerificationFailed, CloudRefused, CleanupIncomplete, Interrupted,
    )
}  # fmt: skip


def _problem(data: Mapping[str, object]) -> Problem:
    return Problem(**{key: str(data.get(key, "")) for key in ("where", "what", "why", "hint", "at")})


def error_from_json(data: Mapping[str, object]) -> GpuforgeError:
    """The error that ``to_json`` described; a type that is not known becomes a plain ``GpuforgeError``."""

    def items(key: str) -> list[object]:
        value = data.get(key)
        return list(value) if isinstance(value, (list, tuple)) else []

    message, hint, doing = (str(data.get(key, "")) for key in ("message", "hint", "doing"))
    code = data.get("exit_code")
    exit_code = code if isinstance(code, int) else None
    problems = [_problem(item) for item in items("problems") if isinstance(item, Mapping)]
    if data.get("type") == TaskFailed.__name__:
        return TaskFailed(
            message, layer=str(data.get("layer", "")), task=str(data.get("task", "")),
            output=[str(line) for line in items("output")],
            hint=hint, doing=doing, exit_code=exit_code, problems=problems,
        )  # fmt: skip
    cls = _TYPES.get(str(data.get("type")), GpuforgeError)
    return cls(message, hint=hint, doing=doing, exit_code=exit_code, problems=problems)
