"""What must not stand in the repository: ways to hide a failure, paths of one machine, names of package hosts."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

#: Above this many lines a file has probably got a second idea in it.
LONG = 300
TEXT = {
    ".cfg",
    ".ini",
    ".j2",
    ".json",
    ".md",
    ".py",
    ".rst",
    ".sh",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".in",
    ".service",
    ".timer",
    "",
}
HERE = Path("tests/unit/repository/test_hygiene_of_repo.py")

#: Put together from parts, so that this file does not have what it looks for.
HIDING = {
    "a shell failure that is swallowed": r"\|\|" + r"\s*(true|:)(\s|$|[;)'\"])",
    "errors that are ignored": "ignore" + r"_errors:\s*(true|yes)",
    "a task that cannot fail": "failed" + r"_when:\s*(false|no)\b",
    "unreachable hosts that are ignored": "ignore" + r"_unreachable:\s*(true|yes)",
    "a test that never runs": r"(@|pytestmark\s*=\s*)pytest\.mark\." + r"(skip\(|skip$|xfail)",
    "a linter that is told to look away": "# no" + r"qa\s*($|#)|type: " + r"ignore\s*$",
}
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"), ("crates", "io"),
        ("galaxy", "ansible", "com"), ("ghcr", "io"), ("quay", "io"), ("docker", "io"), ("registry-1", "docker", "io"),
    )
]  # fmt: skip
#: Modules of ansible.builtin that are often called by their short name, and whose names are no option of another.
SHORT_NAMES = (
    "apt", "assert", "command", "copy", "debug", "fail", "file", "get_url", "import_tasks", "include_tasks",
    "include_vars", "lineinfile", "package", "service", "set_fact", "shell", "slurp", "stat", "systemd", "template",
)  # fmt: skip


def lines_with(pattern: str, path: Path, text: str) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.fixture(scope="module")
def texts(repo: Path, files: list[Path]) -> dict[Path, str]:
    """Every text file of the repository but this one."""
    found = {}
    for path in files:
        if path != HERE and path.suffix in TEXT:
            found[path] = (repo / path).read_text(encoding="utf-8")
    assert len(found) > 20, "hardly any file found: this test would pass on nothing"
    return found


@pytest.mark.parametrize("what", HIDING)
def test_nothing_hides_a_failure(what: str, texts: dict[Path, str]) -> None:
    found = [line for path, text in texts.items() for line in lines_with(HIDING[what], path, text)]
    assert found == [], what


def test_no_path_of_a_checkout(repo: Path, texts: dict[Path, str]) -> None:
    # The checkout itself, and the directory above it unless that is one every machine has.
    places = [str(repo)] + ([str(repo.parent)] if len(repo.parent.parts) > 2 else [])
    pattern = (
        "|".join(rf"(?<![\w.]){re.escape(place)}(/|\b)" for place in places)
        + "|"
        + "/work"
        + r"/(main|shared)\b|/tmp"
        + "/exp/"
    )
    assert [line for path, text in texts.items() for line in lines_with(pattern, path, text)] == []


def test_no_package_host(texts: dict[Path, str]) -> None:
    pattern = "|".join(rf"(?<![\w-]){re.escape(host)}\b" for host in HOSTS)
    assert [line for path, text in texts.items() for line in lines_with(pattern, path, text)] == []


def test_every_pin_has_a_hash(repo: Path) -> None:
    for path in sorted((repo / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        bare = [entry.splitlines()[0] for entry in entries if entry.strip() and "--hash=sha256:" not in entry]
        assert bare == [], path.name


def test_the_sets_agree(repo: Path) -> None:
    """What a bake installs is what its tests ran with."""
    pins = {
        path.stem: set(re.findall(r"^([\w.-]+==\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for path in (repo / "requirements").glob("*.txt")
    }
    assert sorted(pins["bake"] - pins["test"]) == []
    assert sorted(pins["uv"] - pins["bake"]) == []


def test_full_names_of_modules(texts: dict[Path, str]) -> None:
    """`ansible.builtin.copy`, never `copy`: what a short name means depends on who installed what."""
    short = rf"^\s*-?\s*({'|'.join(SHORT_NAMES)}):\s*($|\{{)"
    found = []
    for path, text in texts.items():
        if path.parts[0] in ("roles", "playbooks", "molecule") and path.suffix == ".yml" and "tasks" in path.parts:
            found += lines_with(short, path, text)
    assert found == []


def test_long_files_are_named(texts: dict[Path, str]) -> None:
    """A warning, not a failure: whether there is a second idea in a long file is for a reader to say."""
    for path, text in texts.items():
        count = text.count("\n")
        if path.suffix in (".py", ".yml", ".j2") and count > LONG:
            warnings.warn(f"{path} has {count} lines", stacklevel=1)


class TestTheChecksThemselves:
    """Each pattern finds what it forbids, and leaves alone what looks like it."""

    @pytest.mark.parametrize(
        ("what", "line"),
        [
            ("a shell failure that is swallowed", "rm x " + "|| true"),
            ("a shell failure that is swallowed", "rm x " + "||:"),
            ("errors that are ignored", "  ignore" + "_errors: true"),
            ("a task that cannot fail", "  failed" + "_when: false"),
            ("a test that never runs", "@pytest.mark." + "skip(reason='later')"),
            ("a linter that is told to look away", "import os  # no" + "qa"),
        ],
    )
    def test_found(self, what: str, line: str) -> None:
        assert lines_with(HIDING[what], Path("x"), line)

    @pytest.mark.parametrize(
        ("what", "line"),
        [
            ("a task that cannot fail", "  failed" + "_when: result.rc not in [0, 1]"),
            ("a test that never runs", "@pytest.mark." + "skipif(not FIXTURES, reason='…')"),
            ("a linter that is told to look away", "import os  # no" + "qa: F401 - why"),
        ],
    )
    def test_left_alone(self, what: str, line: str) -> None:
        assert lines_with(HIDING[what], Path("x"), line) == []
