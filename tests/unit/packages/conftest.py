"""A private apt for each suite of the test repository: nothing of the machine is read but apt itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]


class Apt:
    """apt with folders of its own and one source."""

    def __init__(self, home: Path, suite: Path, option: str = "trusted=yes") -> None:
        for folder in ("etc/apt/preferences.d", "state/lists/partial", "cache/archives/partial"):
            (home / folder).mkdir(parents=True)
        self.home = home
        (home / "status").write_text("")
        (home / "etc/apt/sources.list").write_text(f"deb [{option} arch=amd64] file:{suite} /\n")
        settings = {
            "Dir::Etc": home / "etc/apt",
            "Dir::State": home / "state",
            "Dir::State::status": home / "status",
            "Dir::Cache": home / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
        }
        self.options = [f"-o={name}={value}" for name, value in settings.items()]
        self.updated = self.run("apt-get", "update")

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of apt's programs."""
        command = [argv[0], *self.options, *argv[1:]]
        environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    def would_install(self, *names: str) -> dict[str, str]:
        """Return the versions that an installation would bring, by package; fail where apt finds none."""
        done = self.run("apt-get", "--simulate", "install", *names)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(re.findall(r"^Inst (\S+) \((\S+)", done.stdout, re.MULTILINE))

    def versions(self, name: str) -> list[str]:
        """Return all versions of a package, newest first."""
        return [line.split("|")[1].strip() for line in self.run("apt-cache", "madison", name).stdout.splitlines()]

    def pin(self, version: str) -> None:
        """Do what NVIDIA's pinning package of that version does."""
        text = f"Package: src:*nvidia*:any src:cuda-drivers:any\nPin: version {version}\nPin-Priority: 1000\n"
        (self.home / "etc/apt/preferences.d/nvidia-driver-pin").write_text(text)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The built repository; the same that molecule's scenarios use."""
    made = TOP / ".gpuforge/repository"
    subprocess.run([sys.executable, TOP / "tests/repository/build.py", made], check=True)
    return made


@pytest.fixture
def apt(repository, tmp_path):
    """Make an apt for a suite."""

    def make(suite: str, option: str = "trusted=yes") -> Apt:
        below = "compute/cuda/repos" if "/" not in suite else "."
        return Apt(tmp_path / suite.replace("/", "-"), repository / below / suite / "x86_64", option)

    return make
