"""Bakes as a user makes them: the real command in a process of its own, in a work directory with an awkward name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GPUFORGE = [sys.executable, "-m", "gpuforge"]
BAKE_SECONDS = 600


@dataclass(frozen=True)
class Workshop:
    """A work directory, a collection and a spec."""

    work: Path
    collection: Path
    spec: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GPUFORGE_COLLECTION": str(self.collection),
            "GPUFORGE_WORK_DIR": str(self.work),
            **self.env,
        }

    def start(self, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start ``gpuforge ARGUMENTS`` in a process group of its own.

        Ctrl-C is heard there also where the tests run in the background of a shell, which then ignores it for them.
        """
        return subprocess.Popen(
            ["env", "--default-signal=INT", *prefix, *GPUFORGE, *arguments],
            env=self.environment(), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run ``gpuforge ARGUMENTS`` to its end."""
        with self.start(*arguments, prefix=prefix) as process:
            out, err = process.communicate(timeout=BAKE_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def bake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Bake the spec without booting the image."""
        return self.run("bake", str(self.spec), "--no-verify", *arguments)

    def result(self) -> dict[str, Any]:
        """Bake without booting; the result that ``--json`` prints last."""
        done = self.bake("--json")
        assert done.returncode == 0, done.stderr
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return last

    def plan(self) -> dict[str, str]:
        """Name → state of every part of the plan."""
        done = self.run("plan", str(self.spec), "--json")
        assert done.returncode == 0, done.stderr
        plan = json.loads(done.stdout.splitlines()[-1])
        return {item["name"]: item["state"] for item in (plan["base"], *plan["layers"], plan["image"])}

    def leftovers(self) -> list[str]:
        """What must not be there after a bake has ended: scratch folders, mounts and processes of this work
        directory."""
        found = [str(path) for path in (self.work / "tmp").iterdir()]
        name = self.work.name.replace(" ", "\\040")
        for status in Path("/proc").glob("[0-9]*/mounts"):
            try:
                found += [
                    f"{status.parent}: {line}"
                    for line in status.read_text().splitlines()
                    if name in line and "overlay" in line
                ]
            except OSError:
                continue  # it ended while we looked
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = status.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if str(self.work) in command and int(status.parent.name) != os.getpid():
                found.append(command)
        return found


def share_base(source: Path, target: Path) -> None:
    """Give the work directory *target* the bases of *source*, without copying their bytes where links can do."""
    target.mkdir(parents=True)
    same = source.stat().st_dev == target.stat().st_dev
    subprocess.run(
        ["cp", "-a", "--reflink=auto", *(["--link"] if same else []), str(source / "bases"), str(target)], check=True
    )
