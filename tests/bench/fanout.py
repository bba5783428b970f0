"""Measure how long a play takes on 1, 10 and 50 nodes, with the strategies linear and mitogen_linear side by side.

    .venv/bin/python tests/bench/fanout.py [--hosts 1 10 50] [--roles perf_tuning multinode] [--rounds N]

For each number of nodes and each strategy: fresh containers, then the roles over ssh with 50 forks, twice. Times are
wall times of the whole ansible-playbook command. The second run must change nothing. Packages are in the image, so
what is measured is Ansible, the modules and the nodes; all nodes share the cores of this machine. At the end the round
trips of the second run are counted on one node in Ansible's own log. Needs root, podman and a set-up checkout.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from tests.bench.fanout_nodes import Workshop, nodes, prepare, room_for, workshop  # noqa: E402
from tests.bench.table import markdown  # noqa: E402

FORKS = 50
ROLES = ("perf_tuning", "multinode")
STRATEGIES = ("linear", "mitogen_linear")
PROFILE = {
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
    "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
}
#: What the roles may not know here: a container has no GPU, no fabric and no boot loader.
VARIABLES: Mapping[str, object] = {}
Times = dict[tuple[int, str, str], list[float]]  # nodes, strategy, first or second -> seconds


def mitogen_strategies() -> str:
    """The folder with mitogen's strategy plugins; SystemExit where it is not installed."""
    try:
        import ansible_mitogen
    except ImportError:
        sys.exit("mitogen is not installed: run `make setup`, or leave it out with --strategies linear")
    return str(Path(ansible_mitogen.__file__).parent / "plugins/strategy")


def environment(shop: Workshop, strategy: str) -> dict[str, str]:
    """The environment of ansible-playbook; everything else is in the checkout's ansible.cfg."""
    found = {
        **shop.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(REPO / ".venv/share/collections"),
        "ANSIBLE_HOME": str(shop.folder / "ansible"),
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_STRATEGY": strategy,
    }
    if strategy.startswith("mitogen"):
        found["ANSIBLE_STRATEGY_PLUGINS"] = mitogen_strategies()
    return found


def playbook(folder: Path, roles: Sequence[str]) -> Path:
    """The roles as one play, as site.yml has them."""
    play = {
        "name": "Measure",
        "hosts": "all",
        "become": True,
        "gather_facts": False,
        "vars": VARIABLES,
        "roles": [{"role": f"gpuforge.node.{name}", "tags": [name]} for name in roles],
    }
    path = folder / "play.yml"
    path.write_text(json.dumps([play]))
    return path


def run(shop: Workshop, strategy: str, inventory: Path, play: Path, *options: str) -> tuple[float, str]:
    """One ansible-playbook command: seconds and output. RuntimeError when it fails."""
    argv = ["ansible-playbook", "--inventory", str(inventory), *options, str(play)]
    start = time.monotonic()
    done = subprocess.run(
        argv, cwd=REPO, env=environment(shop, strategy), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise RuntimeError(f"{strategy}, {inventory.name}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def measure(shop: Workshop, hosts: int, strategy: str, play: Path, times: Times) -> None:
    """Fresh nodes, two runs."""
    with nodes(shop, hosts) as addresses:
        inventory = shop.inventory(addresses)
        for which in ("first", "second"):
            seconds, output = run(shop, strategy, inventory, play)
            times.setdefault((hosts, strategy, which), []).append(seconds)
            print(f"{hosts:3d} nodes  {strategy:15s} {which:6s} {seconds:7.1f} s", file=sys.stderr, flush=True)
            recap = re.findall(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)
            if len(recap) != hosts:
                raise RuntimeError(f"{len(recap)} of {hosts} nodes are in the recap\n{output[-3000:]}")
            changed = {name for name, count in recap if int(count)}
            if which == "second" and changed:
                raise RuntimeError(f"the second run changed {', '.join(sorted(changed))}\n{output[-6000:]}")
            if which == "first" and len(changed) != hosts:
                raise RuntimeError("the first run changed nothing on some nodes: they were not fresh")


def round_trips(shop: Workshop, play: Path) -> int:
    """How often a second run with linear goes to the node: commands over ssh, files included, in Ansible's log."""
    with nodes(shop, 1) as addresses:
        inventory = shop.inventory(addresses)
        run(shop, "linear", inventory, play)
        _, output = run(shop, "linear", inventory, play, "-vvv")
        return len(re.findall(r"SSH: EXEC", output))


def slowest(shop: Workshop, hosts: int, strategy: str, play: Path) -> str:
    """Where the time of a second run goes, by task: the summary of ansible.posix.profile_tasks, all tasks."""
    with nodes(shop, hosts) as addresses:
        inventory = shop.inventory(addresses)
        run(shop, strategy, inventory, play)
        profiled = replace(shop, environment={**shop.environment, **PROFILE})
        _, output = run(profiled, strategy, inventory, play)
        return output[output.rindex("PLAY RECAP") :]


def report(times: Times, hosts: Sequence[int], strategies: Sequence[str]) -> str:
    """The table of medians and, below it, the growth for each added node."""
    median = {key: statistics.median(values) for key, values in times.items()}
    both = len(strategies) == 2
    header = ["run", "nodes", *(f"{name} s" for name in strategies), *(["times faster"] if both else [])]
    rows = []
    for which in ("first", "second"):
        for count in hosts:
            values = [median[(count, name, which)] for name in strategies]
            row = [which, str(count), *(f"{value:.1f}" for value in values)]
            rows.append([*row, f"{values[0] / values[1]:.1f}"] if both else row)
    growth = []
    for which in ("first", "second"):
        for fewer, more in itertools.pairwise(hosts):
            added = [(median[(more, n, which)] - median[(fewer, n, which)]) / (more - fewer) for n in strategies]
            growth.append([which, f"{fewer} to {more}", *(f"{value:.2f}" for value in added)])
    lines = [markdown(header, rows)]
    if growth:
        lines += ["", "Seconds for each added node:", ""]
        lines.append(markdown(["run", "nodes", *(f"{name} s" for name in strategies)], growth))
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 10, 50], help="numbers of nodes (default 1 10 50)")
    parser.add_argument("--roles", nargs="+", default=list(ROLES), help=f"default: {' '.join(ROLES)}")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--rounds", type=int, default=1, help="of everything (default 1)")
    parser.add_argument("--profile", action="store_true", help="only the seconds of each task in a second run")
    options = parser.parse_args()
    hosts = sorted(set(options.hosts))
    absent = [name for name in options.roles if not (REPO / "roles" / name / "tasks/main.yml").is_file()]
    if absent:
        parser.error(f"no role {', '.join(absent)}: choose others with --roles")
    # Ended from outside, it still removes its nodes and puts back what it changed in the kernel.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    times: Times = {}
    with tempfile.TemporaryDirectory(prefix="gpuforge-fanout-") as name, room_for(max(hosts)):
        folder = Path(name)
        play = playbook(folder, options.roles)
        with workshop(folder) as shop:
            tags = ",".join(f"{role}_install" for role in options.roles)
            ansible = str(Path(sys.executable).with_name("ansible-playbook"))
            # As in a bake: packages, and no service that they would start.
            argv = [ansible, "--inventory", "{inventory}", "--tags", tags, "--extra-vars", "gpuforge_live=false"]
            prepare(shop, [*argv, str(play)])
            if options.profile:
                for strategy in options.strategies:
                    print(f"{strategy}, {max(hosts)} nodes\n{slowest(shop, max(hosts), strategy, play)}", flush=True)
                return 0
            for _round in range(options.rounds):
                for count in hosts:
                    for strategy in options.strategies:
                        measure(shop, count, strategy, play, times)
            trips = round_trips(shop, play)
    print(f"{' and '.join(options.roles)} over ssh, {FORKS} forks, seconds of the whole command\n")
    print(report(times, hosts, options.strategies))
    print(f"\nround trips of a second run on one node (linear, commands over ssh in the log): {trips}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
