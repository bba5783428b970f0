"""What the layers of site.yml are together."""

import json


def test_each_layer_has_left_its_mark(host):
    for path in ("/usr/local/bin/uv", "/usr/local/bin/gpuforge-node", "/etc/gpuforge/kernel-tuning.json"):
        assert host.file(path).exists, path
    assert host.package("nvidia-kernel-dkms").is_installed


def test_the_checker_finds_no_fault_in_driver_and_tuning_files(host):
    answer = json.loads(host.run("gpuforge-node check --only driver --format json").stdout)
    failed = [check for check in answer["checks"] if check["status"] == "fail"]
    assert failed == []


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl --failed --no-legend") == ""
