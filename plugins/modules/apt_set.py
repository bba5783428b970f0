#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Ensure a named set of packages at exact versions, from a repository whose key is pinned, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_set
short_description: Ensure a named set of packages at exact versions, and the repository they come from
version_added: 0.1.0
description:
  - Takes everything at once, the repository with its key, the B(whole) set of packages at their versions, and what must
    not be there. Reads, resolves and lets apt simulate first; refuses with every reason before anything is touched.
  - The repository gets a low priority as a whole, so that nothing of the distribution's is replaced from it and nothing
    that is installed from it is upgraded by itself. What is in the set is pinned.
  - A package that leaves the set, and what came with it, leaves the machine. What was there before the set stays.
  - What the set brought is remembered below C(/etc/gpuforge/packages).
  - A dpkg that was killed at its work is finished first. A package that somebody has put on hold is not moved.
author:
  - the gpuforge authors (@gpuforge)
options:
  name:
    description: Name of the set; each owner has its own.
    type: str
    required: true
  packages:
    description: The packages. None, for the repository alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The package's name.
        type: str
        required: true
      version:
        description:
          - A whole Debian version, an upstream one (whatever its epoch and revision), or a pattern with C(*).
          - Empty keeps what is installed, and takes the newest where nothing is.
        type: str
        default: ""
  repository:
    description: Where they come from, if not from what apt knows. Several sets may name the same repository.
    type: dict
    suboptions:
      name:
        description: Names its files.
        type: str
        required: true
      uri:
        description: Its address.
        type: str
        required: true
      suite:
        description: The suite; ends in a slash for a repository without suites.
        type: str
        default: /
      components:
        description: The suite's components.
        type: list
        elements: str
        default: []
      key:
        description: The armored public key that signs it. When not given, it is fetched from O(repository.key_url).
        type: str
      key_url:
        description: Where the node finds the key. Read only while the node has no key with one of the fingerprints.
        type: str
      fingerprints:
        description: Whole fingerprints of the keys that may sign it. A key file with any other key in it is refused.
        type: list
        elements: str
        required: true
      priority:
        description: apt's priority of the whole repository. Below 100, an installed package is never upgraded from it.
        type: int
        default: 90
  absent:
    description: Packages that must not be there, such as predecessors that conflict. They are purged.
    type: list
    elements: str
    default: []
  never:
    description: Patterns of packages that must not come with the set; apt's plan is refused when it would bring one.
    type: list
    elements: str
    default: []
  family:
    description:
      - What the set depends on and has to be at the same version. Pinned before apt plans, so that a version that is
        not the newest, or an older one than is installed, is found with all that belongs to it.
      - Of O(packages), those without a version are not held then.
    type: dict
    suboptions:
      sources:
        description: Names of source packages, or patterns with C(*).
        type: list
        elements: str
        required: true
      version:
        description: How the versions of all their packages start.
        type: str
        required: true
  hold:
    description: Pin each package of the set at its version.
    type: bool
    default: true
  update:
    description:
      - Fetch the index of all of apt's sources first when something is to be installed and it is older than a day. The
        index of O(repository) alone is fetched whenever it is missing.
    type: bool
    default: true
  lock_timeout:
    description:
      - Seconds to wait for another program that has apt's or dpkg's lock. Then it is refused, with the program's name.
    type: int
    default: 300
  state:
    description:
      - V(absent) takes away what the set brought, and the repository when no other set uses it.
      - What something else needs by then stays when the set has no O(repository) of its own; with one it is refused.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description:
      - Says which versions would come, of a repository that is not configured yet as well, and leaves nothing behind.
    support: full
  diff_mode:
    description: Shows every file, and the packages with their versions.
    support: full
  platform:
    description: Debian and Ubuntu.
    support: full
    platforms: debian
"""

EXAMPLES = r"""
- name: Ensure a tool is there at exactly this version
  gpuforge.node.apt_set:
    name: example
    repository:
      name: example
      uri: https://example.org/deb
      key_url: https://example.org/deb/key.asc
      fingerprints: ["0123456789ABCDEF0123456789ABCDEF01234567"]
    packages:
      - {name: example-tool, version: 1.2.3}

- name: Ensure nothing of it is left
  gpuforge.node.apt_set:
    name: example
    repository:
      name: example
      uri: https://example.org/deb
      fingerprints: ["0123456789ABCDEF0123456789ABCDEF01234567"]
    state: absent
"""

RETURN = r"""
versions:
  description: The version of each package of the set, as it is or would be.
  returned: success
  type: dict
  sample: {example-tool: "1.2.3-1"}
packages:
  description:
    - What apt did or would do, dependencies included. C(before) is empty for what is new, C(after) for what goes.
  returned: success
  type: list
  elements: dict
  sample: [{name: example-tool, before: "", after: "1.2.3-1"}]
kept:
  description: Packages that the set brought and that stay, because something needs them that came otherwise.
  returned: success
  type: list
  elements: str
  sample: []
waited:
  description: For which other programs it waited that had a lock, and how long.
  returned: success
  type: list
  elements: str
  sample: ["Changing the packages waited 12 s for apt-get (process 4242), which had /var/lib/dpkg/lock-frontend"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.gpuforge.node.plugins.module_utils._apt_repo import RepositoryError, make_repository
from ansible_collections.gpuforge.node.plugins.module_utils._apt_request import Family, Request, SetError, Wish
from ansible_collections.gpuforge.node.plugins.module_utils._apt_set import ensure, remove
from ansible_collections.gpuforge.node.plugins.module_utils._apt_tools import AptError
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

PACKAGE = {"name": {"type": "str", "required": True}, "version": {"type": "str", "default": ""}}
REPOSITORY = {
    "name": {"type": "str", "required": True},
    "uri": {"type": "str", "required": True},
    "suite": {"type": "str", "default": "/"},
    "components": {"type": "list", "elements": "str", "default": []},
    "key": {"type": "str", "no_log": False},
    "key_url": {"type": "str", "no_log": False},
    "fingerprints": {"type": "list", "elements": "str", "required": True},
    "priority": {"type": "int", "default": 90},
}
FAMILY = {
    "sources": {"type": "list", "elements": "str", "required": True},
    "version": {"type": "str", "required": True},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "dict", "options": PACKAGE, "default": []},
    "repository": {"type": "dict", "options": REPOSITORY},
    "absent": {"type": "list", "elements": "str", "default": []},
    "never": {"type": "list", "elements": "str", "default": []},
    "family": {"type": "dict", "options": FAMILY},
    "hold": {"type": "bool", "default": True},
    "update": {"type": "bool", "default": True},
    "lock_timeout": {"type": "int", "default": 300},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
KEY_LIMIT = 1 << 20  # bytes; real keys have a few thousand


def key_of(repository):
    """Return a function that gets the repository's key. Raises RepositoryError when called and there is none."""

    def fetch():
        if repository["key"]:
            return repository["key"].encode()
        if not repository["key_url"]:
            raise RepositoryError("the repository %s has neither key nor key_url" % repository["name"])
        try:
            return open_url(repository["key_url"], timeout=30).read(KEY_LIMIT)
        except Exception as exc:  # whatever urllib, ssl or a proxy come up with
            raise RepositoryError("the key at %s cannot be read: %s" % (repository["key_url"], exc)) from None

    return fetch


def family_of(options):
    """Return the family of the module's options, None without."""
    return Family(tuple(options["sources"]), options["version"]) if options else None


def main():
    """Read, plan, act, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    try:
        request = Request(
            name=params["name"],
            repository=make_repository(params["repository"]) if params["repository"] else None,
            key=key_of(params["repository"] or {}),
            wishes=tuple(Wish(one["name"], one["version"]) for one in params["packages"]),
            absent=tuple(params["absent"]),
            never=tuple(params["never"]),
            family=family_of(params["family"]),
            hold=params["hold"],
            update=params["update"],
            check_mode=module.check_mode,
            lock_s=params["lock_timeout"],
        )
        result = (ensure if params["state"] == "present" else remove)(Host(), request)
    except (AptError, OSError, RepositoryError, SetError) as exc:
        module.fail_json(msg="The packages of %s are not as wanted: %s" % (params["name"], exc))
    for words in result["waited"]:
        module.warn(words)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
