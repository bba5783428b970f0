"""The installed driver and the one that runs: what is read, what is decided, and what is done, on trees of machines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._driver_live import decide, installed_version, read_state
from ansible_collections.gpuforge.node.plugins.module_utils._driver_switch import SwitchError, ensure_running
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

from .trees import add_pci, write_tree

OLD, NEW = "580.178.04", "595.91.07"
GPU = "0000:18:00.0"
SERVICES = ["nvidia-persistenced", "nvidia-dcgm"]


class Node(Host):
    """A tree with a kernel and systemd of its own: loading, unloading and stopping change the tree."""

    def __init__(self, root: Path, *, driver: str = "nvidia", installed: str = NEW) -> None:
        super().__init__(str(root))
        self.top, self.installed, self.log = root, installed, []
        self.source = ""
        self.refuses: dict[str, str] = {}
        self.units: dict[str, list[int]] = {}
        add_pci(root, f"pci0000:17/0000:17:01.0/{GPU}", 0x0302, 0x10DE, 0x2330, driver=driver)
        write_tree(root, {"/proc/sys/kernel/osrelease": "6.1.0-51-amd64"})

    def load(self, version: str, *names: str) -> None:
        """Put modules there; each but the main one uses it."""
        for name in ("nvidia", *names):
            base = f"/sys/module/{name}"
            write_tree(self.top, {f"{base}/initstate": "live", f"{base}/refcnt": 0})
            (self.top / base[1:] / "holders").mkdir()
        write_tree(self.top, {"/sys/module/nvidia/version": version})
        for name in names:
            (self.top / f"sys/module/nvidia/holders/{name}").mkdir()
        self.count("nvidia", len(names))

    def count(self, module: str, number: int) -> None:
        (self.top / f"sys/module/{module}/refcnt").write_text(f"{number}\n")

    def process(self, pid: int, name: str, unit: str = "", file: str = "/dev/nvidia0") -> None:
        place = f"0::/system.slice/{unit}" if unit else "0::/user.slice/session-1.scope"
        files = {f"/proc/{pid}/comm": name, f"/proc/{pid}/cgroup": place}
        write_tree(self.top, files, {f"/proc/{pid}/fd/7": file})
        if unit:
            self.units.setdefault(unit.removesuffix(".service"), []).append(pid)

    def run(self, argv, timeout_s=60.0):
        words = list(argv)
        if words[0] == "modinfo":
            said = {"version": self.installed, "srcversion": self.source}[words[2]]
            return (0, said) if self.installed else (1, "modinfo: ERROR: Module nvidia not found.")
        if words[:2] == ["systemctl", "is-active"]:
            return (0 if words[-1] in self.units else 3), ""
        self.log.append(" ".join(words))
        if self.log[-1] in self.refuses:
            return 1, self.refuses[self.log[-1]]
        if words[0] == "modprobe":
            if words[1] == "nvidia":
                self.load(self.installed)
                write_tree(self.top, {"/sys/module/nvidia/srcversion": self.source} if self.source else {})
        elif words[0] == "rmmod":
            shutil.rmtree(self.top / f"sys/module/{words[1]}")
            if words[1] != "nvidia":
                (self.top / f"sys/module/nvidia/holders/{words[1]}").rmdir()
                self.count("nvidia", len(list((self.top / "sys/module/nvidia/holders").iterdir())))
        elif words[:2] == ["systemctl", "stop"]:
            for pid in self.units[words[2]]:
                shutil.rmtree(self.top / f"proc/{pid}")
        return 0, ""


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def run(node, **more):
    return ensure_running(node, "nvidia", SERVICES, **more)


def test_no_gpu_nothing_to_do(tmp_path):
    write_tree(tmp_path, {"/proc/sys/kernel/osrelease": "6.1"})
    state = read_state(Host(str(tmp_path)), NEW)
    assert decide(state, SERVICES).action == "none"


def test_what_runs_is_what_is_installed(node):
    node.load(NEW)
    assert (run(node)["action"], run(node)["changed"], node.log) == ("current", False, [])


def test_it_is_loaded_where_none_is(node):
    assert run(node, check_mode=True)["changed"] is True
    assert node.log == []
    result = run(node)
    assert (result["action"], result["changed"], result["loaded"]) == ("load", True, NEW)
    assert node.log == ["modprobe nvidia"]


def test_it_is_exchanged_with_its_services_stopped_and_started_again(node):
    node.load(OLD, "nvidia_uvm", "nvidia_modeset", "nvidia_drm")
    node.process(10, "nvidia-persiste", "nvidia-persistenced.service")
    assert run(node, check_mode=True)["action"] == "switch"
    assert node.log == []
    result = run(node)
    assert (result["action"], result["changed"], result["before"], result["loaded"]) == ("switch", True, OLD, NEW)
    assert node.log == [
        "systemctl stop nvidia-persistenced",
        "rmmod nvidia_drm",
        "rmmod nvidia_uvm",
        "rmmod nvidia_modeset",
        "rmmod nvidia",
        "modprobe nvidia",
        "modprobe nvidia_modeset",
        "modprobe nvidia_uvm",
        "modprobe nvidia_drm",
        "systemctl start nvidia-persistenced",
    ]


def test_the_other_flavour_of_the_same_version_is_exchanged(node):
    node.load(NEW)
    write_tree(node.top, {"/sys/module/nvidia/srcversion": "0123456789ABCDEF0123456"})
    node.source = "FEDCBA9876543210FEDCBA9"
    result = run(node)
    assert (result["action"], result["changed"]) == ("switch", True)
    assert result["reasons"] == [f"another module of {NEW} is loaded than the installed one (open and proprietary?)"]
    assert node.log == ["rmmod nvidia", "modprobe nvidia"]
    assert run(node)["action"] == "current"


def test_the_same_build_of_the_same_version_is_current(node):
    node.load(NEW)
    write_tree(node.top, {"/sys/module/nvidia/srcversion": "0123456789ABCDEF0123456"})
    node.source = "0123456789ABCDEF0123456"
    assert (run(node)["action"], node.log) == ("current", [])


def test_who_holds_a_gpu_is_named_and_nothing_is_touched(node):
    node.load(OLD)
    node.process(10, "nvidia-persiste", "nvidia-persistenced.service")
    node.process(4242, "python3")
    node.process(4243, "ollama", "ollama.service", "/dev/nvidia-uvm")
    result = run(node)
    assert (result["action"], result["changed"], result["loaded"]) == ("reboot", False, OLD)
    assert result["reasons"] == [
        f"{OLD} is loaded, and {NEW} installed",
        "python3 (process 4242) has /dev/nvidia0 open",
        "ollama (process 4243 of ollama.service) has /dev/nvidia-uvm open",
    ]
    assert node.log == []


def test_a_module_of_others_is_named(node):
    node.load(OLD, "nvidia_uvm", "vendor_rdma")
    assert "the module vendor_rdma uses nvidia" in run(node)["reasons"]
    assert node.log == []


def test_who_came_while_services_were_stopped_stops_it(node):
    node.load(OLD)
    node.process(10, "nvidia-persiste", "nvidia-persistenced.service")
    stop = node.run

    def late(argv, timeout_s=60.0):
        done = stop(argv, timeout_s)
        if list(argv)[:2] == ["systemctl", "stop"]:
            node.process(99, "python3")
        return done

    node.run = late
    result = run(node)
    assert (result["action"], result["changed"]) == ("reboot", False)
    assert "python3 (process 99) has /dev/nvidia0 open" in result["reasons"]
    assert node.log == ["systemctl stop nvidia-persistenced", "systemctl start nvidia-persistenced"]


def test_a_module_in_use_by_nobody_known_is_left(node):
    node.load(OLD, "nvidia_drm")
    node.count("nvidia_drm", 1)
    result = run(node)
    assert result["action"] == "reboot"
    assert "the module nvidia_drm is in use" in result["reasons"][1]
    assert node.log == []


def test_a_module_that_stays_says_what_is_gone(node):
    node.load(OLD, "nvidia_uvm")
    node.refuses["rmmod nvidia"] = "rmmod: ERROR: Module nvidia is in use"
    result = run(node)
    assert (result["action"], result["changed"]) == ("reboot", False)
    assert result["reasons"][1:] == [
        "nvidia cannot be unloaded: rmmod: ERROR: Module nvidia is in use",
        "until then there is no nvidia_uvm",
    ]


@pytest.mark.parametrize("loaded", ["", OLD])
def test_a_module_that_does_not_load_fails_with_the_kernels_words(node, loaded):
    if loaded:
        node.load(loaded)
    node.refuses["modprobe nvidia"] = "modprobe: ERROR: could not insert 'nvidia': No such device"
    node.process(10, "nvidia-persiste", "nvidia-persistenced.service")
    with pytest.raises(SwitchError, match="could not insert 'nvidia': No such device"):
        run(node)
    assert node.log[-1] == ("systemctl start nvidia-persistenced" if loaded else "modprobe nvidia")


def test_what_is_loaded_is_not_what_was_to_be(node):
    node.load(OLD)
    load = node.load
    node.load = lambda _version: load("590.48.01")
    with pytest.raises(SwitchError, match=r"590\.48\.01 is loaded, and 595\.91\.07 installed"):
        run(node)


def test_a_service_that_does_not_start_again_is_no_success(node):
    node.load(OLD)
    node.process(10, "nv-hostengine", "nvidia-dcgm.service")
    node.refuses["systemctl start nvidia-dcgm"] = "Job for nvidia-dcgm.service failed"
    with pytest.raises(
        SwitchError, match=r"nvidia-dcgm was stopped for it .* again: Job for nvidia-dcgm.service failed"
    ):
        run(node)


def test_a_service_that_does_not_start_again_is_told_beside_the_module_that_does_not_load(node):
    node.load(OLD)
    node.process(10, "nv-hostengine", "nvidia-dcgm.service")
    node.refuses["modprobe nvidia"] = "modprobe: ERROR: could not insert 'nvidia': No such device"
    node.refuses["systemctl start nvidia-dcgm"] = "Job for nvidia-dcgm.service failed"
    with pytest.raises(SwitchError, match=r"No such device; nvidia-dcgm was stopped .* again: Job for"):
        run(node)


def test_nouveau_in_use_needs_a_reboot(tmp_path):
    node = Node(tmp_path, driver="nouveau")
    result = run(node)
    assert (result["action"], result["changed"]) == ("reboot", False)
    assert result["reasons"] == [f"nouveau drives {GPU}, and cannot be taken away while it does"]
    assert node.log == []


def test_a_running_kernel_without_the_driver_needs_a_reboot(tmp_path):
    node = Node(tmp_path, installed="")
    node.load(OLD)
    result = run(node, built_for=["6.1.0-51-amd64", "6.1.0-56-amd64"])
    assert result["action"] == "reboot"
    assert result["reasons"] == [
        "the running kernel 6.1.0-51-amd64 has no module of the driver; it is there for 6.1.0-56-amd64"
    ]


@pytest.mark.parametrize(
    ("said", "version"), [("595.91.07\n", NEW), ("550.54", "550.54"), ("", ""), (None, ""), ("x", "")]
)
def test_versions(said, version):
    assert installed_version(said) == version
