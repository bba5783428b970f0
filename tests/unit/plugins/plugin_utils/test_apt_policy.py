"""What apt-cache says of packages, and what has to be installed for it."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils import _apt_policy
from ansible_collections.gpuforge.node.plugins.plugin_utils._apt_policy import Known

# As apt 2.6 prints it in the language C, with made-up versions.
SAID = """\
rdma-core:
  Installed: 44.0-2
  Candidate: 44.0-2
  Version table:
 *** 44.0-2 500
        500 http://archive.example/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
perftest:
  Installed: (none)
  Candidate: 4.5-1
  Version table:
     4.5-1 500
        500 http://archive.example/debian bookworm/main amd64 Packages
libc6:i386:
  Installed: (none)
  Candidate: 2.36-9
  Version table:
left-over:
  Installed: (none)
  Candidate: (none)
  Version table:
     1.0 -1
        100 /var/lib/dpkg/status
"""


def test_each_package_is_told_by_its_name() -> None:
    assert _apt_policy.parse(SAID) == {
        "rdma-core": Known("44.0-2", "44.0-2"),
        "perftest": Known(None, "4.5-1"),
        "libc6:i386": Known(None, "2.36-9"),
        "left-over": Known(None, None),
    }


@pytest.mark.parametrize(
    ("required", "optional", "wanted"),
    [
        (["rdma-core"], [], []),
        (["rdma-core", "perftest"], [], ["perftest"]),
        # apt has to say itself why it cannot have those.
        (["left-over", "unheard-of"], [], ["left-over", "unheard-of"]),
        ([], ["perftest", "left-over", "unheard-of", "rdma-core"], ["perftest"]),
    ],
)
def test_what_is_missing_and_to_be_had_is_installed(
    required: list[str], optional: list[str], wanted: list[str]
) -> None:
    assert _apt_policy.to_install(_apt_policy.parse(SAID), required, optional) == wanted


def test_what_apt_does_not_know_is_named() -> None:
    known = _apt_policy.parse(SAID)
    assert _apt_policy.unknown(known, ["rdma-core", "perftest", "left-over", "sharp"]) == ["left-over", "sharp"]


@pytest.mark.parametrize("name", ["nvidia-open=595.71.05-1", "./local.deb", "lib*", "", "-o", "A"])
def test_only_names_are_asked_for(name: str) -> None:
    assert not _apt_policy.PLAIN_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["g++", "libc6", "linux-headers-6.1.0-41-cloud-amd64"])
def test_names_of_packages_are_names(name: str) -> None:
    assert _apt_policy.PLAIN_NAME.fullmatch(name)
