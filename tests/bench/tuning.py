"""Measure one set of kernel values, limits and THP against a loop over single keys.

    .venv/bin/python tests/bench/tuning.py [--rounds N]

Two containers of one image, each with a network namespace and so with ``net.ipv4.*`` values of its own. One gets 40
keys, THP and two limits by one call of gpuforge.node.kernel_tuning; the other the same 40 keys by a loop of
ansible.posix.sysctl and the two limits by a loop of community.general.pam_limits (THP has no module there: it is left
out). Same controller, same connection plugin; what is timed is the whole ansible-playbook command. Values are read back
from both containers at the end. Needs podman and a set-up checkout. Prints a table; only the ratios travel.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(REPO / "tests/containers")]

from base_images import ensure, image_name  # noqa: E402  (the folders have to be on the path first)
from engine import settings  # noqa: E402

from tests.bench.table import markdown  # noqa: E402

BAR = 10.0

#: Keys a network namespace has to itself, each with a value that differs from the kernel's own.
KEYS = {
    **{f"net.ipv4.tcp_{name}": value for name, value in (
        ("fin_timeout", 30), ("keepalive_time", 600), ("keepalive_intvl", 30), ("keepalive_probes", 5),
        ("syn_retries", 4), ("synack_retries", 4), ("retries1", 4), ("retries2", 10), ("mtu_probing", 1),
        ("sack", 0), ("dsack", 0), ("window_scaling", 0), ("timestamps", 2), ("slow_start_after_idle", 0),
        ("no_metrics_save", 1), ("moderate_rcvbuf", 0), ("autocorking", 0), ("abort_on_overflow", 1),
        ("rfc1337", 1), ("ecn", 1), ("fastopen", 3), ("reordering", 5), ("base_mss", 1200),
        ("notsent_lowat", 131072), ("limit_output_bytes", 2097152), ("tw_reuse", 1), ("max_syn_backlog", 4096),
        ("max_tw_buckets", 65536), ("syncookies", 2), ("adv_win_scale", 2),
    )},
    "net.ipv4.ip_default_ttl": 65,
    "net.ipv4.ip_local_port_range": "15000 65000",
    "net.ipv4.ip_nonlocal_bind": 1,
    "net.ipv4.ip_unprivileged_port_start": 1000,
    "net.ipv4.icmp_echo_ignore_broadcasts": 0,
    "net.ipv4.conf.all.rp_filter": 2,
    "net.ipv4.conf.all.arp_ignore": 1,
    "net.ipv4.conf.all.arp_announce": 2,
    "net.ipv4.conf.all.log_martians": 1,
    "net.ipv4.conf.lo.rp_filter": 2,
}  # fmt: skip
LIMITS = [{"item": "memlock", "value": "unlimited"}, {"item": "nofile", "value": "65536"}]

OURS = {
    "name": "Ensure the whole set",
    "gpuforge.node.kernel_tuning": {"sysctl": KEYS, "thp": {"enabled": "madvise"}, "limits": LIMITS},
}
LOOP = [
    {
        "name": "Ensure each key",
        "ansible.posix.sysctl": {
            "name": "{{ item.key }}", "value": "{{ item.value }}", "sysctl_set": True, "reload": False,
            "sysctl_file": "/etc/sysctl.d/90-loop.conf",
        },
        "loop": "{{ keys | dict2items }}",
    },
    {
        "name": "Ensure each limit",
        "community.general.pam_limits": {
            "domain": "*", "limit_type": "-", "limit_item": "{{ item.item }}", "value": "{{ item.value }}",
            "dest": "/etc/security/limits.d/90-loop.conf",
        },
        "loop": "{{ limits }}",
    },
]  # fmt: skip


def play(tasks: list[object]) -> str:
    """A playbook for every host; JSON is YAML."""
    return json.dumps(
        [{"hosts": "all", "gather_facts": False, "vars": {"keys": KEYS, "limits": LIMITS}, "tasks": tasks}]
    )


class Side:
    """One container and the playbook it gets."""

    def __init__(self, name: str, tasks: list[object], folder: Path, environment: dict[str, str]) -> None:
        self.name, self.container, self.environment = name, f"gpuforge-bench-{name}", environment
        self.playbook = folder / f"{name}.yml"
        self.playbook.write_text(play(tasks))
        self.inventory = folder / f"{name}.ini"
        self.inventory.write_text(
            f"{self.container} ansible_connection=containers.podman.podman"
            " ansible_python_interpreter=/usr/bin/python3\n"
        )

    def podman(self, *argv: str) -> str:
        done = subprocess.run(["podman", *argv], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def __enter__(self) -> Side:
        self.podman("rm", "--force", "--time=0", "--ignore", self.container)
        # Only values of the container's own network namespace are written below.
        argv = ["run", "--detach", "--name", self.container, "--security-opt", "unmask=/proc/sys"]
        self.podman(*argv, image_name("debian12"), "/bin/sleep", "infinity")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.podman("rm", "--force", "--time=0", "--ignore", self.container)

    def run(self, changed: bool) -> float:
        """One ansible-playbook command: seconds. Raises RuntimeError unless it changed something exactly if told so."""
        start = time.monotonic()
        argv = ["ansible-playbook", "--inventory", str(self.inventory), str(self.playbook)]
        done = subprocess.run(argv, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        seconds = time.monotonic() - start
        if done.returncode != 0 or ("changed=0 " not in done.stdout) != changed:
            raise RuntimeError(f"{self.name}: unexpected result\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return seconds

    def values(self) -> dict[str, str]:
        """The live values of all keys."""
        text = self.podman("exec", self.container, "sysctl", *KEYS)
        pairs = (line.split("=", 1) for line in text.splitlines())
        return {key.strip(): " ".join(value.split()) for key, value in pairs}


def main() -> int:
    """Measure, print, and return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="fresh containers and measurements (default: 1)")
    rounds: int = parser.parse_args().rounds
    assert len(KEYS) == 40
    ensure(["debian12"], max_age_days=30)
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"}
    environment.update(settings(image_name("debian12"), REPO / ".gpuforge"))
    first: dict[str, list[float]] = {"ours": [], "loop": []}
    second: dict[str, list[float]] = {"ours": [], "loop": []}
    with tempfile.TemporaryDirectory(prefix="gpuforge-bench-") as folder:
        environment["ANSIBLE_CONFIG"] = str(Path(folder) / "ansible.cfg")
        Path(environment["ANSIBLE_CONFIG"]).touch()
        for _round in range(rounds):
            sides = [
                Side("ours", [OURS], Path(folder), environment),
                Side("loop", list(LOOP), Path(folder), environment),
            ]
            with sides[0], sides[1]:
                for times, changed in ((first, True), (second, False)):
                    for side in sides:
                        times[side.name].append(side.run(changed))
                wanted = {key: str(value) for key, value in KEYS.items()}
                for side in sides:
                    if side.values() != wanted:
                        differing = {key for key, value in side.values().items() if value != wanted[key]}
                        raise RuntimeError(f"{side.name}: values differ from those wanted: {sorted(differing)}")
    rows, missed = [], False
    for name, times in (("first run", first), ("second run", second)):
        ours, loop = statistics.median(times["ours"]), statistics.median(times["loop"])
        rows.append([name, f"{ours:.1f}", f"{loop:.1f}", f"{loop / ours:.1f}"])
        missed |= loop / ours < BAR
    print("40 sysctl keys, THP and 2 limits on one host, seconds of the whole command")
    print(markdown(["", "one call of kernel_tuning", "loop of ansible.posix.sysctl", "times faster"], rows))
    print(f"bar: {BAR:g} times faster in both runs: {'MISSED' if missed else 'met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
