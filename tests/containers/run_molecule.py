"""Run molecule scenarios, several at once, with whatever podman needs on this machine.

    python3 tests/containers/run_molecule.py [-j N] [SCENARIO …] [-- molecule's own options]

Without names: every scenario below molecule/. Each scenario's output goes to
`.gpuforge/molecule/<scenario>.log` and, when it failed, to the terminal too. `--command converge` (or
login, verify, destroy …) runs another molecule command than `test`, for work on one role.
Exit status: 0 all passed, 1 a scenario failed, 2 bad usage, 3 nothing could be run here.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from base_images import RELEASES, ImageError, ensure, image_name
from engine import EngineError, run_name, settings

TOP = Path(__file__).resolve().parents[2]
WORK = TOP / ".gpuforge"
PASSED_OVER = ("Missing playbook", "Skipping, no tests found", "Skipping, verifier is disabled")
"""What molecule only warns of; a scenario that tested less than its sequence says has not passed."""


def scenarios() -> list[str]:
    """Return the names of all scenarios; `shared` holds what they have in common and is none."""
    return sorted(path.parent.name for path in (TOP / "molecule").glob("*/molecule.yml"))


def left_out(log: str) -> str:
    """Return what molecule passed over with only a warning, such as a missing playbook; empty when nothing was."""
    lines = [line.strip() for line in log.splitlines() if any(words in line for words in PASSED_OVER)]
    return lines[0] if lines else ""


def run_one(name: str, command: str, extra: list[str], environment: dict[str, str]) -> tuple[str, bool, float]:
    """Run one scenario with its output in a log file; return (name, passed, seconds)."""
    log = WORK / "molecule" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    argv = ["molecule", command, "--scenario-name", name, *extra]
    with log.open("wb") as stream:
        done = subprocess.run(
            argv,
            cwd=TOP,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.monotonic() - started
    missed = left_out(log.read_text(errors="replace")) if done.returncode == 0 else ""
    passed = done.returncode == 0 and not missed
    print(f"{'passed' if passed else 'FAILED'} {name} {seconds:.0f} s{missed and ': ' + missed}", flush=True)
    return name, passed, seconds


def main() -> int:
    """Command line, see the text above."""
    argv = sys.argv[1:]
    own, extra = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(description="Run molecule scenarios.")
    parser.add_argument("scenario", nargs="*", help="default: all")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="scenarios at once (default 2)")
    parser.add_argument("--command", default="test", help="molecule command (default test)")
    parser.add_argument("--max-age-days", type=float, default=7.0, help="older base images are made again (default 7)")
    options = parser.parse_args(own)
    names = options.scenario or scenarios()
    unknown = sorted(set(names) - set(scenarios()))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}: there are {', '.join(scenarios())}")
    # The tools of the environment whose Python runs this, whatever PATH says.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    missing = [tool for tool in ("molecule", "ansible-playbook", "podman") if shutil.which(tool) is None]
    if missing:
        print(f"molecule: {', '.join(missing)} not found in PATH: nothing was tested", file=sys.stderr)
        return 3
    try:
        ensure(list(RELEASES), options.max_age_days)
        found = settings(image_name(next(iter(RELEASES))), WORK)
    except (ImageError, EngineError) as error:
        print(f"molecule: nothing was tested: {error}", file=sys.stderr)
        return 3
    defaults = {
        "NO_COLOR": "1",
        "GPUFORGE_RUN": run_name(TOP),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_COLLECTIONS_PATH": str(TOP / ".venv" / "share" / "collections"),
    }
    environment = {**defaults, **os.environ, **found}
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        results = list(pool.map(lambda name: run_one(name, options.command, extra, environment), names))
    failed = [name for name, passed, _ in results if not passed]
    for name in failed:
        print(f"\n===== {name} =====\n{(WORK / 'molecule' / f'{name}.log').read_text(errors='replace')}")
    print(f"{len(results) - len(failed)} of {len(results)} scenarios passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
