"""The set-up as a whole, on fakes: what is done once, what a second call does, what a change brings."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from setup_steps import environment, python, stamp, system
from setup_steps.problems import SetupError

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def load_setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpuforge_setup", SCRIPTS / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """A machine of fakes: what is missing, what is damaged, and everything that was done."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self.missing: tuple[str, ...] = ("mtools",)
        self.damage = "its Python is gone"
        self.fails = False
        self.did: list[str] = []

    def install(self, packages: tuple[str, ...]) -> None:
        self.did.append(f"apt {' '.join(packages)}")
        self.missing = ()

    def build(self, _repo: Path, venv: Path, wanted: str, choice: python.Choice) -> None:
        self.did.append(f"venv {wanted} {choice.version}")
        if self.fails:
            raise SetupError("installing failed: the disk is full.")
        venv.mkdir(exist_ok=True)
        self.damage = ""

    def set_up(self, wanted: str) -> str:
        self.did.clear()
        done = load_setup().set_up(self.repo, wanted, system_packages=True)
        assert isinstance(done, str)
        return done


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    repo = tmp_path / "checkout"
    (repo / "requirements").mkdir(parents=True)
    (repo / "wrapper").mkdir()
    (repo / "wrapper" / "pyproject.toml").write_text("")
    for name in ("uv", "bake", "test"):
        (repo / "requirements" / f"{name}.txt").write_text("x==1 --hash=sha256:0\n")
    shutil.copytree(SCRIPTS / "setup_steps", repo / "scripts" / "setup_steps")
    fake = Machine(repo)
    monkeypatch.setattr(system, "this_system", lambda: system.System("debian", "12"))
    monkeypatch.setattr(system, "missing", lambda _packages: fake.missing)
    monkeypatch.setattr(system, "install", fake.install)
    monkeypatch.setattr(python, "choose", lambda _system: python.Choice("/usr/bin/python3", "3.11"))
    monkeypatch.setattr(environment, "build", fake.build)
    monkeypatch.setattr(environment, "damage", lambda _repo, _venv: fake.damage)
    monkeypatch.setattr(stamp, "dpkg_mtime_ns", lambda: 1)
    return fake


def test_first_call_does_everything(machine: Machine) -> None:
    assert machine.set_up("bake") == "1 system packages and .venv"
    assert machine.did == ["apt mtools", "venv bake 3.11"]


def test_second_call_does_nothing(machine: Machine) -> None:
    machine.set_up("bake")
    assert machine.set_up("bake") == ""
    assert machine.did == []


def test_second_call_does_not_even_ask_dpkg(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.set_up("bake")
    monkeypatch.setattr(system, "missing", lambda _packages: pytest.fail("dpkg was asked although nothing changed"))
    machine.set_up("bake")


def test_a_removed_package_comes_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.set_up("bake")
    machine.missing = ("ovmf",)
    monkeypatch.setattr(stamp, "dpkg_mtime_ns", lambda: 2)
    assert machine.set_up("bake") == "1 system packages"
    assert machine.did == ["apt ovmf"]


def test_changed_pins_are_installed(machine: Machine) -> None:
    machine.set_up("bake")
    (machine.repo / "requirements" / "bake.txt").write_text("x==2 --hash=sha256:1\n")
    assert machine.set_up("bake") == ".venv"


def test_a_damaged_venv_is_mended(machine: Machine) -> None:
    machine.set_up("bake")
    machine.damage = "x.py of y-1 is missing or cut short"
    assert machine.set_up("bake") == ".venv"


def test_the_larger_set_stays(machine: Machine) -> None:
    machine.set_up("test")
    assert machine.set_up("bake") == ""
    (machine.repo / "requirements" / "test.txt").write_text("x==2 --hash=sha256:1\n")
    machine.set_up("bake")
    assert machine.did == ["venv test 3.11"]


def test_the_smaller_set_grows(machine: Machine) -> None:
    machine.set_up("bake")
    assert machine.set_up("test") == ".venv"
    assert machine.did == ["venv test 3.11"]


def test_the_slow_tests_need_other_programs_but_the_same_python_packages(machine: Machine) -> None:
    machine.set_up("test")
    machine.missing = ("packer",)
    assert machine.set_up("slow") == "1 system packages"
    assert machine.did == ["apt packer"]
    assert machine.set_up("test") == ""


def test_a_failed_set_up_is_tried_again(machine: Machine) -> None:
    machine.set_up("bake")
    machine.damage = "x"
    machine.fails = True
    with pytest.raises(SetupError, match="the disk is full"):
        machine.set_up("bake")
    machine.fails = False
    assert machine.set_up("bake") == ".venv"


def test_an_unreadable_stamp_means_set_up_again(machine: Machine) -> None:
    machine.set_up("bake")
    (machine.repo / ".venv" / "gpuforge-setup.json").write_text('{"wanted": "bake"')
    assert machine.set_up("bake") == ".venv"
