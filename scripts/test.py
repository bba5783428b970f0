"""`make test`: run the tiers of tests one after the other, and end with one line that counts.

Without arguments every tier but `slow`. A tier that fails does not stop the next. One that cannot run here is named
with the reason; if it was asked for by name, that is a failure.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import tiers
from tiers import Counts, Tier

#: How long a tier that ran into its limit may take to clean up, in seconds.
GRACE_S = 60
#: Exit codes that say "nothing could be tested here": molecule's runner.
CANNOT = 3


@dataclass(frozen=True)
class Outcome:
    """What became of a tier: its counts, how long it took (seconds), and why it did not run, if it did not."""

    tier: Tier
    counts: Counts
    seconds: float
    not_run: str = ""
    trouble: str = ""


def say(text: str) -> None:
    """Print a line of the runner's own, in order with what the tiers print."""
    print(text, flush=True)


def stop(process: subprocess.Popen[str]) -> None:
    """End a tier: as Ctrl-C first, so that it can undo what it did; then whatever is left of its group, for good."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stream(argv: tuple[str, ...], env: dict[str, str], limit_s: float) -> tuple[int | None, str]:
    """Run a command, show its output as it comes, and return (exit code or None if it was stopped, output)."""
    deadline = time.monotonic() + limit_s
    process = subprocess.Popen(
        argv, cwd=tiers.REPO, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    lines: list[str] = []
    previous = signal.signal(signal.SIGALRM, lambda *_: stop(process))
    signal.alarm(max(int(limit_s), 1))
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            print(line, end="", flush=True)
        code = process.wait()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        stop(process)
    return (None if time.monotonic() >= deadline else code), "".join(lines)


def run(tier: Tier, *, asked: bool) -> Outcome:
    """Run one tier and count."""
    say(f"\n=== {tier.name}: {tier.what}")
    euid = os.geteuid()
    not_run = tiers.obstacle(
        tier, euid=euid, sudo_works=lambda: subprocess.run(["sudo", "-v"], check=False).returncode == 0
    )
    if not_run:
        say(f"!!! {tier.name} cannot run here: {not_run}")
        return Outcome(tier, Counts(failed=1) if asked else Counts(skipped=1), 0.0, not_run)
    env = tiers.environment()
    argv = tiers.command(tier, euid=euid, env=env)
    if tier.junit:
        tier.junit.parent.mkdir(parents=True, exist_ok=True)
        tier.junit.unlink(missing_ok=True)
    say(f"+ {' '.join(argv).replace(str(tiers.REPO) + os.sep, '')}")
    start = time.monotonic()
    code, output = stream(argv, env, tier.limit_s)
    seconds = time.monotonic() - start
    counts = tiers.count_junit(tier.junit) if tier.junit else tiers.count_lines(output)
    if tier.junit is None and code == CANNOT and counts == Counts():
        say(f"!!! {tier.name} cannot run here: see the lines above")
        return Outcome(tier, Counts(failed=1) if asked else Counts(skipped=1), seconds, "see its output")
    trouble = ""
    if code is None:
        trouble = f"stopped after its limit of {tier.limit_s} s"
    elif counts.passed + counts.failed + counts.skipped == 0:
        trouble = f"ran no test (exit code {code})"
    elif code != 0 and counts.failed == 0:
        trouble = f"ended with exit code {code} without a failed test"
    if trouble:
        say(f"!!! {tier.name} {trouble}")
        counts += Counts(failed=1)
    say(f"--- {tier.name}: {counts} in {seconds:.0f} s")
    return Outcome(tier, counts, seconds, trouble=trouble)


def summary(outcomes: list[Outcome]) -> str:
    """The closing table and, as its last line, the counts of all."""
    lines = ["", f"{'tier':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for outcome in outcomes:
        counts = outcome.counts
        row = (
            f"{outcome.tier.name:<12} {counts.passed:>7} {counts.failed:>7} {counts.skipped:>8} {outcome.seconds:>8.0f}"
        )
        remark = f"not run here: {outcome.not_run}" if outcome.not_run else outcome.trouble
        lines.append(f"{row}  {remark}".rstrip())
    total = sum((outcome.counts for outcome in outcomes), Counts())
    return "\n".join([*lines, "", str(total)])


def main(argv: list[str] | None = None) -> int:
    """Run the wanted tiers; returns 1 if anything failed."""
    known = {tier.name: tier for tier in (*tiers.TIERS, tiers.SLOW)}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tier", nargs="*", help=f"of: {', '.join(known)}; default: all but slow")
    names = parser.parse_args(argv).tier
    # A stopped run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no tier called {', '.join(unknown)}: there are {', '.join(known)}")
    wanted = [known[name] for name in names] or list(tiers.TIERS)
    free = shutil.disk_usage(tiers.REPO).free / 2**30
    say(f"tiers: {', '.join(tier.name for tier in wanted)}; {os.cpu_count()} cores, {free:.0f} GiB of disk free")
    outcomes = [run(tier, asked=bool(names)) for tier in wanted]
    say(summary(outcomes))
    return 1 if any(outcome.counts.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
