"""Trees for the groups system and manifest."""

from __future__ import annotations

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Case, Node


def running(node: Node) -> None:
    node.boot()
    node.programs["systemctl"] = node_answers("running", "")


def node_answers(state: str, failed: str):  # type: ignore[no-untyped-def]
    from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Ran

    return lambda argv: (
        Ran(0 if state == "running" else 1, state + "\n", "") if argv[1] == "is-system-running" else Ran(0, failed, "")
    )


def degraded(node: Node) -> None:
    node.boot()
    node.programs["systemctl"] = node_answers(
        "degraded", "nvidia-persistenced.service loaded failed failed NVIDIA\nfoo.mount loaded failed failed Foo\n"
    )


def starting(node: Node) -> None:
    node.boot()
    node.programs["systemctl"] = node_answers("starting", "")


def not_booted(node: Node) -> None:
    node.programs["systemctl"] = node_answers("offline", "")


def no_systemctl(node: Node) -> None:
    node.boot()


def systemctl_breaks(node: Node) -> None:
    node.boot()
    node.answer("systemctl", code=1, err="Failed to connect to bus")


PACKAGES = {"libc6": "2.36-9", "numactl": "2.0.16-1"}


def _with_manifest(node: Node, dpkg: object) -> None:
    node.packages(**PACKAGES)
    node.json("/etc/gpuforge/manifest.json", {"schema": 1, "packages": {"dpkg": dpkg}})


def as_baked(node: Node) -> None:
    _with_manifest(node, {f"{name}:amd64": version for name, version in PACKAGES.items()})


def upgraded(node: Node) -> None:
    _with_manifest(node, {"libc6:amd64": "2.36-8", "numactl:amd64": "2.0.16-1"})


def added(node: Node) -> None:
    _with_manifest(node, {"libc6:amd64": "2.36-9"})


def removed(node: Node) -> None:
    as_baked(node)
    status = node.root / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("install ok installed", "deinstall ok config-files", 1))


def no_manifest(node: Node) -> None:
    node.packages(**PACKAGES)


def no_image(node: Node) -> None:
    no_manifest(node)
    node.expect["image"] = False


def no_image_but_manifest(node: Node) -> None:
    upgraded(node)
    node.expect["image"] = False


def manifest_not_json(node: Node) -> None:
    node.packages(**PACKAGES)
    node.file("/etc/gpuforge/manifest.json", "{")


def manifest_without_packages(node: Node) -> None:
    _with_manifest(node, {})


def manifest_of_another_kind(node: Node) -> None:
    node.packages(**PACKAGES)
    node.json("/etc/gpuforge/manifest.json", {"packages": ["libc6"]})


def no_dpkg(node: Node) -> None:
    as_baked(node)
    (node.root / "var/lib/dpkg/status").unlink()


CASES = (
    Case("system.running", "pass", running),
    Case("system.running", "fail", degraded, "degraded"),
    Case("system.running", "unknown", starting, "starting"),
    Case("system.running", "unknown", not_booted, "systemd does not run"),
    Case("system.running", "unknown", no_systemctl, "not installed"),
    Case("system.units", "pass", running),
    Case("system.units", "fail", degraded, "foo.mount, nvidia-persistenced.service"),
    Case("system.units", "unknown", not_booted),
    Case("system.units", "unknown", no_systemctl),
    Case("system.units", "unknown", systemctl_breaks, "Failed to connect to bus"),
    Case("manifest.packages", "pass", as_baked, "2 packages"),
    Case("manifest.packages", "fail", upgraded, "libc6:amd64 2.36-9 instead of 2.36-8"),
    Case("manifest.packages", "fail", added, "numactl:amd64 2.0.16-1 was added"),
    Case("manifest.packages", "fail", removed, "libc6:amd64 2.36-9 is gone"),
    Case("manifest.packages", "fail", no_image_but_manifest, "instead of"),
    Case("manifest.packages", "unknown", no_manifest, "no /etc/gpuforge/manifest.json"),
    Case("manifest.packages", "unknown", manifest_not_json, "not JSON"),
    Case("manifest.packages", "unknown", manifest_without_packages, "lists no package"),
    Case("manifest.packages", "unknown", manifest_of_another_kind, "no usable packages.dpkg"),
    Case("manifest.packages", "unknown", no_dpkg),
    Case("manifest.packages", "skipped", no_image, "not made from an image"),
)
