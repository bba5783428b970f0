#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Ensure that apt knows the wanted components of the distribution's suites."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_components
short_description: Add components of the distribution's suites where apt lacks them
version_added: "0.1.0"
description:
  - Reads every source of the system and writes one file of its own (deb822 style) with only what is missing.
  - The sources of the system are not touched. A suite that is configured already is completed at its own address and
    with its own key, because apt refuses two sources of one suite that are signed differently.
  - Writes nothing where everything is there, and removes its file when it is no longer needed.
  - Does not refresh the package index; see RV(index_missing).
author:
  - the gpuforge authors
options:
  path:
    description: The file that this module owns.
    type: path
    required: true
  suites:
    description: The whole wanted set. Not used with O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      suite:
        description: The suite's name as apt writes it.
        type: str
        required: true
      components:
        description: The components that must be configured for it.
        type: list
        elements: str
        required: true
      like:
        description: Suites of the same archive whose address and key are used when O(suites[].suite) is not configured.
        type: list
        elements: str
        default: []
      uri:
        description:
          - The archive's address, for when none of O(suites[].like) is configured either. Needed unless
            O(suites[].optional).
        type: str
      optional:
        description: Complete this suite if it is configured, and do without it if it is not.
        type: bool
        default: false
  keyring:
    description: Key file that signs suites that no configured source tells the key of.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  root:
    description: Directory below which everything is read and written.
    type: path
    default: /
  state:
    description: V(absent) removes the file.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Whether check mode is kept.
    support: full
  diff_mode:
    description: Whether the file's change is shown.
    support: full
seealso:
  - module: ansible.builtin.deb822_repository
"""

EXAMPLES = r"""
- name: Ensure the non-free components are known to apt
  gpuforge.node.apt_components:
    path: /etc/apt/sources.list.d/example.sources
    suites:
      - suite: bookworm
        components: [contrib, non-free]
        uri: http://deb.debian.org/debian
"""

RETURN = r"""
added:
  description: What the file adds, one entry a suite.
  returned: always
  type: list
  elements: dict
  sample: [{"suite": "bookworm", "uri": "http://deb.debian.org/debian", "components": ["contrib", "non-free"]}]
index_missing:
  description: Suites of RV(added) that the package index does not hold yet, so that apt cannot install from them.
  returned: always
  type: list
  elements: str
  sample: ["bookworm"]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._apt_sources import (
    Source,
    Want,
    index_name,
    lacks_index,
    missing,
    parse_deb822,
    parse_list,
    render,
)
from ansible_collections.gpuforge.node.plugins.module_utils._dpkg import read_packages
from ansible_collections.gpuforge.node.plugins.module_utils._rootfs import inside, names, read_text

SUITE_SPEC = dict(
    suite=dict(type="str", required=True),
    components=dict(type="list", elements="str", required=True),
    like=dict(type="list", elements="str", default=[]),
    uri=dict(type="str"),
    optional=dict(type="bool", default=False),
)
HEADER = "Written by gpuforge: what the driver needs and the sources of this system lack.\nChanges made here are lost."
LISTS = "/var/lib/apt/lists"


def read_sources(root, own):
    """Return every configured source below ``root`` but those of the file ``own``."""
    found = []
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list"] + [folder + "/" + name for name in names(root, folder)]
    for path in paths:
        if path == own or not os.path.isfile(inside(root, path)):
            continue
        if path.endswith(".list"):
            found.extend(parse_list(read_text(root, path), path))
        elif path.endswith(".sources"):
            found.extend(parse_deb822(read_text(root, path), path))
    return found


def index_missing(root, added):
    """Return the suites of ``added`` that the package index below ``root`` does not hold as configured there."""
    if not added:
        return []
    held = names(root, LISTS)
    dpkg = read_packages(root).get("dpkg")
    found = []
    for source in added:
        releases = [name for name in held if name in (index_name(source) + "InRelease", index_name(source) + "Release")]
        text = read_text(root, LISTS + "/" + releases[0]) if releases else ""
        if lacks_index(source, held, text, dpkg.architecture if dpkg else ""):
            found.append(source.suite)
    return found


def main():
    """Read, compare, write, report."""
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path", required=True),
            suites=dict(
                type="list",
                elements="dict",
                options=SUITE_SPEC,
                required_if=[("optional", False, ["uri"])],
                default=[],
            ),
            keyring=dict(type="path", default="/usr/share/keyrings/debian-archive-keyring.gpg", no_log=False),
            root=dict(type="path", default="/"),
            state=dict(type="str", choices=["present", "absent"], default="present"),
        ),
        supports_check_mode=True,
    )
    root, path = module.params["root"], module.params["path"]
    target = inside(root, path)
    try:
        before = read_text(root, path) if os.path.exists(target) else ""
        added = []
        if module.params["state"] == "present":
            wants = [_want(**suite) for suite in module.params["suites"]]
            added = missing(read_sources(root, path), wants, module.params["keyring"])
        after = render(added, HEADER)
        if before != after and not module.check_mode:
            _write(module, target, after)
        stale = index_missing(root, added)
    except OSError as exc:
        module.fail_json(msg="Completing the apt sources in %s failed: %s" % (path, exc))
    module.exit_json(
        changed=before != after,
        diff={"before": before, "after": after, "before_header": path, "after_header": path},
        added=[_describe(source) for source in added],
        index_missing=stale,
    )


def _want(suite, components, like, uri, optional):
    return Want(suite, tuple(components), (uri or "").rstrip("/"), tuple(like), optional)


def _describe(source: Source):
    return {"suite": source.suite, "uri": source.uri, "components": list(source.components)}


def _write(module, target, text):
    if not text:
        os.unlink(target)
        return
    scratch = os.path.join(module.tmpdir, os.path.basename(target))
    with open(scratch, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(scratch, 0o644)
    module.atomic_move(scratch, target)


if __name__ == "__main__":
    main()
