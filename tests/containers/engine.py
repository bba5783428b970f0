"""How podman has to be called on this machine so that a systemd container starts.

Most machines need nothing. On some, the default runtime cannot use the cgroup layout, or raising
the limits that podman's defaults ask for is not permitted. So a container is started with the
machine's own settings first and, only when that fails, with ever more of the settings below in a
containers.conf of our own. Nothing outside the given directory is written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

RUNTIME = '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4000:4000"]\n'
CANDIDATES = {
    "lowered limits": LIMITS,
    "runc": RUNTIME,
    "runc with lowered limits": LIMITS + RUNTIME,
}
"""What is tried after the machine's own settings, in this order."""


def run_name(checkout: Path) -> str:
    """Return what the containers of this checkout have in their names, so that two checkouts never share one."""
    return hashlib.sha256(str(checkout).encode()).hexdigest()[:6]


class EngineError(Exception):
    """podman cannot start a container here; the message holds what each attempt said."""


def try_start(image: str, configuration: Path | None) -> str:
    """Start a container that does nothing; return an empty string or what podman said."""
    environment = dict(os.environ)
    if configuration is not None:
        environment["CONTAINERS_CONF"] = str(configuration)
    argv = ["podman", "run", "--rm", "--systemd=always", image, "/bin/true"]
    done = subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else (done.stderr.strip() or f"status {done.returncode}")


def settings(image: str, directory: Path) -> dict[str, str]:
    """Return the environment variables podman needs here; usually none.

    `image` is a local image with /bin/true, `directory` the place for a generated containers.conf.
    Raises EngineError, with every attempt's answer, when no candidate works.
    """
    answer = try_start(image, None)
    if not answer:
        return {}
    answers = [f"with the settings of this machine: {answer}"]
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in CANDIDATES.items():
        # A file of its own per candidate and a rename: runs side by side read whole files only.
        path = directory / f"containers-{name.replace(' ', '-')}.conf"
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        partial.replace(path)
        answer = try_start(image, path)
        if not answer:
            return {"CONTAINERS_CONF": str(path)}
        answers.append(f"with {name}: {answer}")
    raise EngineError("podman cannot start a container here\n" + "\n".join(answers))
