"""Make .venv hold exactly what the pins say, with the wrapper and the collection as this checkout has them."""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from .commands import run
from .problems import SetupError
from .python import Choice

#: Where Ansible finds this checkout under its collection name. ansible.cfg names the same directory.
COLLECTION_LINK = Path("share/collections/ansible_collections/gpuforge/node")
#: From there back to the checkout; relative, so that the checkout can be moved or mounted elsewhere.
LINK_TARGET = "/".join([".."] * len(COLLECTION_LINK.parts))


def installer_settings(pip_config: str, env: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's settings for uv, which does not read them.

    Args:
        pip_config: What `pip config list` prints: lines such as `global.index-url='…'` or `:env:.cert='…'`.
        env: The environment; a variable of uv's own that is set there stands.

    Returns:
        Variables for uv. Further indexes are handed on only where the first one was replaced or shut off: every pin
        is to be had from the ordinary index, and one that cannot be reached would fail the whole run.
    """
    pip = {}
    for line in pip_config.splitlines():
        match = re.fullmatch(r"(?:global|install|user|site|:env:)\.([\w-]+)=(.*)", line.strip())
        if match:
            pip[match[1]] = " ".join(shlex.split(match[2]))
    closed = pip.get("no-index", "").lower() in ("1", "true", "yes", "on")
    settings = {}
    if "index-url" in pip:
        settings["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "extra-index-url" in pip and "index-url" in pip:
        settings["UV_INDEX"] = pip["extra-index-url"]
        # pip looks for the best version in all indexes, uv takes the first index that knows the name.
        # The difference guards against a stranger's package of the same name; here the hashes do.
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if closed:
        settings["UV_NO_INDEX"] = "1"
        if "find-links" in pip:
            settings["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    for theirs, ours in (("cert", "SSL_CERT_FILE"), ("proxy", "ALL_PROXY")):
        if theirs in pip:
            settings[ours] = pip[theirs]
    for key in ("timeout", "default-timeout"):
        if key in pip:
            settings["UV_HTTP_TIMEOUT"] = pip[key]
    return {key: value for key, value in settings.items() if key not in env}


def build(repo: Path, venv: Path, pins: str, python: Choice) -> None:
    """Install the pins called "bake" or "test" into .venv; made first where it is missing or of another Python.

    Raises:
        SetupError: A step failed; .venv may be half done, and the next run goes on from there.
    """
    interpreter = venv / "bin" / "python"
    recorded = venv / "pyvenv.cfg"
    same = interpreter.exists() and f"\nversion = {python.version}." in "\n" + recorded.read_text(encoding="utf-8")
    if not same or not (venv / "bin" / "pip").exists():
        run(f"making .venv with Python {python.version}", [python.command, "-m", "venv", "--clear", str(venv)])
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check"]
    requirements = repo / "requirements"
    hashes = ["--require-hashes", "--no-deps"]
    run("installing the installer", [*pip, "install", "--quiet", *hashes, "-r", str(requirements / "uv.txt")])
    uv_env = installer_settings(run("reading pip's settings", [*pip, "config", "list"]), os.environ)
    # A venv of its own is named on the command line: the caller's VIRTUAL_ENV would win otherwise.
    uv = [str(venv / "bin" / "uv"), "pip"]
    here = ["--python", str(interpreter), "--no-progress"]
    sync = [*uv, "sync", *here, "--require-hashes", str(requirements / f"{pins}.txt")]
    run(f"installing what `make {pins}` needs into .venv", sync, env=uv_env)
    wrapper = ["--offline", "--no-deps", "--no-build-isolation", "--editable", str(repo / "wrapper")]
    run("installing the wrapper from this checkout", [*uv, "install", *here, *wrapper], env=uv_env)
    link_collection(venv)


def link_collection(venv: Path) -> None:
    """Let Ansible find the checkout as the collection gpuforge.node."""
    link = venv / COLLECTION_LINK
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(LINK_TARGET)


def damage(repo: Path, venv: Path) -> str:
    """Look whether .venv is whole: every file that its packages recorded is there in its size.

    Returns:
        What is wrong first, or "" where nothing is.
    """
    if not os.access(venv / "bin" / "python", os.X_OK):
        return "its Python is gone"
    link = venv / COLLECTION_LINK
    if not link.is_symlink() or link.resolve() != repo.resolve():
        return "the link to the collection is missing"
    if not os.access(venv / "bin" / "gpuforge", os.X_OK):
        return "the command gpuforge is missing"
    for site in venv.glob("lib/python3*/site-packages"):
        for record in site.glob("*.dist-info/RECORD"):
            bad = _first_bad(site, record)
            if bad:
                return f"{bad} of {record.parent.name.removesuffix('.dist-info')} is missing or cut short"
    return ""


def _first_bad(site: Path, record: Path) -> str:
    base = f"{site}{os.sep}"
    with record.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            # Scripts get a new first line when they are installed, and the record itself has no size.
            if len(row) < 3 or not row[2]:
                continue
            try:
                size = os.stat(base + row[0]).st_size  # noqa: PTH116 - tens of thousands of them, at every call
            except OSError:
                return row[0]
            if size != int(row[2]):
                return row[0]
    return ""


def clear_error(venv: Path) -> SetupError:
    """The error for a .venv that is still not whole after everything was installed."""
    return SetupError(f"{venv} is not whole although every step succeeded.", f"remove it ({venv}) and run again")
