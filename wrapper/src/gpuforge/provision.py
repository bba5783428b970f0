"""Jobs: the privileged work of a bake, each in a guarded child of its own.

A job is a frozen description, sent as JSON; its worker (a module of the provider) runs in private mount
and pid namespaces with an environment that names every variable it may see, and answers with events, then a result or
an error, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gpuforge.errors import GpuforgeError, error_from_json
from gpuforge.events import Event
from gpuforge.guard import run_guarded
from gpuforge.report import Reporter

# What a job may see of the user's environment: where to find programs, how to reach and trust the network, the clock.
# ansible-runner writes its environment to disk, so nothing else gets in.
_ALLOWED: Final = (
    "PATH", "LANG", "LC_ALL", "TZ", "TERM", "SOURCE_DATE_EPOCH",
    "http_proxy", "https_proxy", "no_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "PIP_INDEX_URL",
)  # fmt: skip
_LOG_LINES: Final = 30  # of a worker's standard error that an error message quotes


def job_environment(source: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment of a job, out of the user's."""
    env = {name: source[name] for name in _ALLOWED if name in source}
    env.setdefault("PATH", os.defpath)
    # The tools of the virtual environment (ansible-playbook) first, then the system's administrator tools.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"], "/usr/sbin", "/sbin"])
    return {**env, "HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def run_job(
    worker: str, kind: str, job: Mapping[str, Any], *, work_dir: Path, scratch: Path, reporter: Reporter, doing: str
) -> dict[str, Any]:
    """Run one job and return its result.

    Args:
        worker: the provider's worker, as a module to run.
        kind: which of the worker's jobs ("base", "layer", "assemble").
        job: JSON-ready description; paths in it are relative to *work_dir*, which becomes the current directory.
        scratch: the run's scratch folder; removed by the keeper if gpuforge dies.
        doing: for the error message, as a gerund.

    Raises:
        GpuforgeError: the error that the worker reported, or that the worker ended without an answer.
    """
    log = scratch / f"{kind}.log"
    description = scratch / f"{kind}.json"
    description.write_text(json.dumps(job), encoding="utf-8")
    result: dict[str, Any] | None = None
    failure: GpuforgeError | None = None

    def take(line: str) -> None:
        nonlocal result, failure
        message = json.loads(line)
        if "result" in message:
            result = message["result"]
        elif "error" in message:
            failure = error_from_json(message["error"])
        else:
            reporter.emit(Event.from_json(line))

    status = run_guarded(
        [sys.executable, "-m", worker, kind, str(description)],
        cwd=work_dir,
        env=job_environment(os.environ, scratch),
        log=log,
        scratch=scratch,
        on_line=take,
    )
    if failure is not None:
        failure.doing = failure.doing or doing
        raise failure
    if status != 0 or result is None:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
        raise GpuforgeError(
            "\n  | ".join([f"the worker ended with status {status} without an answer", *tail]),
            doing=doing,
            exit_code=4,
            hint="" if tail else "it printed nothing: the kernel may have killed it for want of memory, see dmesg",
        )  # fmt: skip
    return result
