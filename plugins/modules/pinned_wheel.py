#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Install the programs of one pinned Python wheel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pinned_wheel
short_description: Installs the programs of one pinned Python wheel
description:
  - Some programs, such as C(uv), are published on the Python package index as wheels that hold one executable and
    no library. This module puts such executables into a folder of the search path without an environment of their own.
  - The wheel is named by its SHA-256. A file with another digest is never opened.
  - What was installed is written to a record below O(record_directory). A program that was changed by hand is put back.
  - pip fetches the wheel, from a virtual environment that exists only as long as the download. pip's own
    configuration and environment variables (C(PIP_INDEX_URL), C(PIP_CERT) and so on) say from where.
version_added: 0.1.0
author: the gpuforge authors
options:
  name:
    description: The project's name on the index.
    type: str
    required: true
  version:
    description: The exact version. Needed unless O(state=absent).
    type: str
  sha256:
    description: The wheel's digest, of the file for this machine's architecture. Needed unless O(state=absent).
    type: str
  programs:
    description: The names of the executables to install. Needed unless O(state=absent).
    type: list
    elements: str
    default: []
  directory:
    description: Where the programs go.
    type: path
    default: /usr/local/bin
  record_directory:
    description: Where the record of what was installed goes, as C(<name>.json).
    type: path
    default: /usr/local/share/gpuforge
  state:
    description: V(absent) removes what the record names, and nothing else.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - on the node, C(python3 -m venv) with pip (Debian, package C(python3-venv)), when something is installed
attributes:
  check_mode:
    description: Says truthfully what would change without touching anything; the network is not used.
    support: full
  diff_mode:
    description: Shows the record before and after. Digests of new programs are known only once the wheel is there.
    support: full
"""

EXAMPLES = r"""
- name: Ensure uv is installed at the pinned version
  gpuforge.node.pinned_wheel:
    name: uv
    version: 0.13.9
    sha256: d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19
    programs: [uv, uvx]
  environment:
    PIP_INDEX_URL: https://mirror.example/simple

- name: Ensure uv is gone
  gpuforge.node.pinned_wheel:
    name: uv
    state: absent
"""

RETURN = r"""
programs:
  description: The paths of the programs that are (or would be) there.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/uv, /usr/local/bin/uvx]
version:
  description: The version that is (or would be) there; empty when there is none.
  returned: success
  type: str
  sample: 0.13.9
"""

import os
import re
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._pinned_wheel import (
    Wanted,
    WheelError,
    install,
    make_plan,
    problems,
    read_installed,
    uninstall,
)

OPTIONS = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str"},
    "sha256": {"type": "str"},
    "programs": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "default": "/usr/local/bin"},
    "record_directory": {"type": "path", "default": "/usr/local/share/gpuforge"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def run(module, argv, doing):
    """Run a command; WheelError with its last lines when it fails."""
    code, out, err = module.run_command(argv, environ_update={"LC_ALL": "C", "PIP_NO_INPUT": "1"})
    if code != 0:
        tail = "\n".join((out + err).strip().splitlines()[-12:])
        raise WheelError("%s: %s ended with status %d:\n%s" % (doing, argv[0], code, tail))


def fetch_with_pip(module, scratch):
    """Return a function that downloads exactly the pinned wheel below `scratch` and returns its path."""

    def fetch(wanted):
        environment = os.path.join(scratch, "venv")
        python = module.get_bin_path("python3", required=True)
        run(
            module, [python, "-m", "venv", environment], "making a virtual environment (needs the package python3-venv)"
        )
        requirements = os.path.join(scratch, "requirements.txt")
        with open(requirements, "w") as stream:
            stream.write("%s==%s --hash=sha256:%s\n" % (wanted.name, wanted.version, wanted.sha256))
        wheels = os.path.join(scratch, "wheels")
        run(
            module,
            [
                os.path.join(environment, "bin", "python"),
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-cache-dir",
            ]
            + ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
            + ["--dest", wheels, "--requirement", requirements],
            "fetching the wheel of %s %s" % (wanted.name, wanted.version),
        )
        return os.path.join(wheels, os.listdir(wheels)[0])

    return fetch


def main():
    """Read the options, plan, act unless in check mode, report."""
    module = AnsibleModule(
        OPTIONS, supports_check_mode=True, required_if=[("state", "present", ("version", "sha256", "programs"))]
    )
    options = module.params
    present = options["state"] == "present"
    wanted = Wanted(
        name=options["name"],
        version=options["version"] or "",
        sha256=options["sha256"] or "",
        programs=tuple(options["programs"]),
        directory=options["directory"],
        record=os.path.join(options["record_directory"], "%s.json" % re.sub(r"[^A-Za-z0-9]+", "-", options["name"])),
    )
    try:
        found = problems(wanted) if present else []
        if found:
            raise WheelError("; ".join(found))
        plan = make_plan(wanted, read_installed(wanted.record), present)
        if plan.changed and not module.check_mode:
            if present:
                with tempfile.TemporaryDirectory(prefix="gpuforge-wheel-", dir=module.tmpdir) as scratch:
                    install(wanted, plan, fetch_with_pip(module, scratch))
            else:
                uninstall(wanted, plan)
    except (WheelError, OSError) as error:
        module.fail_json(msg="%s: %s" % (options["name"], error))
    module.exit_json(
        changed=plan.changed,
        programs=wanted.paths() if present else [],
        version=wanted.version if present else "",
        diff={
            "before_header": wanted.record,
            "before": plan.before,
            "after_header": wanted.record,
            "after": plan.after,
        },
    )


if __name__ == "__main__":
    main()
