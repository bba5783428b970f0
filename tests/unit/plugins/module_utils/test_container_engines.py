"""The configuration of container engines: completed, and put back letter by letter."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._container_engines import (
    BEGIN,
    CONTAINERD,
    CRIO,
    DOCKER,
    RUNTIME,
    EngineError,
)
from ansible_collections.gpuforge.node.plugins.module_utils._container_setup import RECORD, ensure, remove
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

MINE = '{"log-driver": "journald", "runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}'
CONFIG = (
    'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    [plugins."io.containerd.grpc.v1.cri".cni]\n'
)


@pytest.fixture
def make(tmp_path):
    def made(*programs, **versions):
        for program in programs:
            path = tmp_path / "usr/bin" / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        stanzas = [
            f"Package: {name.replace('_', '.')}\nStatus: install ok installed\nVersion: {version}\n"
            for name, version in versions.items()
        ]
        (tmp_path / "var/lib/dpkg/info").mkdir(parents=True, exist_ok=True)
        for name in versions:
            program = next(one for one in programs if name.startswith(one.rstrip("d")))
            listing = f"/.\n/usr\n/usr/bin/{program}\n/usr/bin/{program}-helper\n"
            (tmp_path / f"var/lib/dpkg/info/{name.replace('_', '.')}.list").write_text(listing)
        (tmp_path / "var/lib/dpkg/status").write_text("\n".join(stanzas))
        return Host(str(tmp_path))

    return made


def run(host, **more):
    options = {"wanted": None, "default": False, "check_mode": False, **more}
    return ensure(host, **options)


def test_docker_keeps_what_it_has_and_gets_it_back(make):
    host = make("dockerd", docker_io="26.1.5+dfsg1-9")
    host.write_file(DOCKER, MINE, 0o640)
    assert run(host)["engines"]["docker"] == {"version": "26.1.5", "changed": True, "note": ""}
    body = json.loads(host.read(DOCKER))
    assert body["runtimes"] == {"runsc": {"path": "/usr/bin/runsc"}, "nvidia": {"args": [], "path": RUNTIME}}
    assert body["features"] == {"cdi": True}
    assert run(host)["changed"] is False
    assert remove(host, False)["changed"] is True
    assert host.read(DOCKER) == MINE
    assert host.read(RECORD) is None
    assert remove(host, False)["changed"] is False


def test_an_old_docker_is_not_told_of_cdi(make):
    host = make("dockerd", docker_io="20.10.24+dfsg1-1+deb12u1+b6")
    run(host)
    assert "features" not in json.loads(host.read(DOCKER))
    remove(host, False)
    assert host.read(DOCKER) is None


def test_what_somebody_changed_meanwhile_stays(make):
    host = make("dockerd", docker_io="26.1.5")
    host.write_file(DOCKER, MINE)
    run(host, default=True)
    body = json.loads(host.read(DOCKER))
    assert body["default-runtime"] == "nvidia"
    body["data-root"] = "/data"
    body["default-runtime"] = "runsc"
    host.write_file(DOCKER, json.dumps(body))
    remove(host, False)
    assert json.loads(host.read(DOCKER)) == {**json.loads(MINE), "data-root": "/data", "default-runtime": "runsc"}


def test_a_default_that_was_there_before_comes_back(make):
    host = make("dockerd", docker_io="26.1.5")
    host.write_file(DOCKER, '{"default-runtime": "runsc"}')
    run(host, default=True)
    assert run(host, default=False)["changed"] is True
    assert json.loads(host.read(DOCKER))["default-runtime"] == "runsc"
    run(host, default=True)
    remove(host, False)
    assert host.read(DOCKER) == '{"default-runtime": "runsc"}'


def test_containerd_gets_a_block_after_everything_else(make):
    host = make("containerd", containerd="1.6.20~ds1-1")
    host.write_file(CONTAINERD, CONFIG)
    run(host)
    text = host.read(CONTAINERD)
    assert text.startswith(CONFIG)
    assert '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]' in text
    assert "SystemdCgroup = false" in text
    assert run(host)["changed"] is False
    remove(host, False)
    assert host.read(CONTAINERD) == CONFIG


def test_the_new_runtime_makes_control_groups_as_runc_does(make):
    host = make("containerd", containerd="1.7.24")
    runc = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n  SystemdCgroup = true\n'
    host.write_file(CONTAINERD, "version = 2\n" + runc)
    run(host)
    assert host.read(CONTAINERD).split(BEGIN)[1].count("SystemdCgroup = true") == 1


def test_containerd_2_without_a_configuration_gets_one_and_loses_it(make):
    host = make("containerd", containerd_io="2.1.4-1")
    run(host)
    assert host.read(CONTAINERD).startswith("version = 3\n")
    assert "io.containerd.cri.v1.runtime" in host.read(CONTAINERD)
    assert run(host)["changed"] is False
    remove(host, False)
    assert host.read(CONTAINERD) is None


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('disabled_plugins = ["cri"]\n', "switched off"),
        (CONFIG + '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\n', "already"),
    ],
)
def test_containerd_is_left_alone_and_it_is_said_why(make, text, note):
    host = make("containerd", containerd="1.7.24")
    host.write_file(CONTAINERD, text)
    result = run(host)
    assert result["changed"] is False
    assert note in result["engines"]["containerd"]["note"]
    assert host.read(CONTAINERD) == text


def test_a_runtime_that_is_only_a_comment_is_none(make):
    host = make("containerd", containerd="1.7.24")
    host.write_file(CONTAINERD, CONFIG + '# [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\n')
    assert run(host)["changed"] is True
    assert BEGIN in host.read(CONTAINERD)


def test_a_table_that_is_only_a_comment_does_not_stand_in_the_way_of_a_default(make):
    host = make("containerd", containerd="1.7.24")
    host.write_file(CONTAINERD, CONFIG + '#[plugins."io.containerd.grpc.v1.cri".containerd]\n')
    run(host, default=True)
    assert 'default_runtime_name = "nvidia"' in host.read(CONTAINERD)


def test_the_version_may_be_indented(make):
    host = make("containerd", containerd="1.7.24")
    host.write_file(CONTAINERD, CONFIG.replace("version", "  version"))
    assert run(host)["changed"] is True


@pytest.mark.parametrize("imports", ['"/etc/containerd/conf.d/*.toml"', "\n  '/etc/containerd/conf.d/site.toml',\n"])
def test_an_imported_file_that_would_replace_the_runtime_is_refused(make, imports):
    host = make("containerd", containerd="1.7.24")
    text = CONFIG.replace("version = 2\n", f"version = 2\nimports = [{imports}]\n")
    host.write_file(CONTAINERD, text)
    host.write_file("/etc/containerd/conf.d/site.toml", "[plugins.'io.containerd.grpc.v1.cri']\n")
    with pytest.raises(EngineError, match=r"imports /etc/containerd/conf\.d/site\.toml, .* Move it into"):
        run(host)
    assert host.read(CONTAINERD) == text
    host.write_file("/etc/containerd/conf.d/site.toml", '# [plugins."io.containerd.grpc.v1.cri"]\n[debug]\n')
    assert run(host)["changed"] is True


def test_crio_has_a_file_of_its_own(make):
    host = make("crio")
    run(host, default=True)
    assert 'default_runtime = "nvidia"' in host.read(CRIO)
    remove(host, False)
    assert host.read(CRIO) is None
    assert host.glob("/etc/*") == []


def test_podman_needs_nothing(make):
    host = make("podman", podman="5.4.2")
    result = run(host)
    assert result["changed"] is False
    assert result["engines"] == {"podman": {"version": "5.4.2", "changed": False, "note": ""}}


def test_all_that_is_wrong_is_said_and_nothing_is_touched(make):
    host = make("dockerd", "containerd", docker_io="26.1.5", containerd="1.7.24")
    host.write_file(DOCKER, "{")
    host.write_file(CONTAINERD, 'root = "/data"\n')
    with pytest.raises(EngineError, match=r"daemon\.json is no JSON.*Docker does not start with it.*; .*of version 1"):
        run(host)
    assert host.read(DOCKER) == "{"
    assert host.read(RECORD) is None


@pytest.mark.parametrize("text", ['{"runtimes": []}', '{"features": "cdi"}', '{"runtimes": {"nvidia": "x"}}'])
def test_a_tree_that_is_none_is_not_overwritten(make, text):
    host = make("dockerd", docker_io="26.1.5")
    host.write_file(DOCKER, text)
    with pytest.raises(EngineError, match=r"daemon\.json: (runtimes|features|runtimes\.nvidia) is no JSON object"):
        run(host)
    assert host.read(DOCKER) == text


def test_check_mode_tells_and_touches_nothing(make, tmp_path):
    host = make("dockerd", "containerd", "crio", docker_io="26.1.5", containerd="1.7.24")
    result = run(host, check_mode=True)
    assert result["changed"] is True
    assert len(result["diff"]) == 4
    assert not (tmp_path / "etc").exists()


def test_only_the_engines_that_are_asked_for(make):
    host = make("dockerd", "crio", docker_io="26.1.5")
    run(host, wanted=["crio"])
    assert host.read(DOCKER) is None
    assert host.read(CRIO) is not None


def test_an_engine_that_left_is_undone(make, tmp_path):
    host = make("dockerd", "crio", docker_io="26.1.5")
    run(host)
    (tmp_path / "usr/bin/dockerd").unlink()
    run(host)
    assert host.read(DOCKER) is None
    assert host.read(CRIO) is not None
