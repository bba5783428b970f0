# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a guest is asked and how its answers are judged. The script is run here, by this machine's own shell."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import pytest

from gpuforge.providers.local import guest_checks as gc
from gpuforge.providers.local.guest_checks import Answer, GuestCommand

GIB = 1 << 30
CHECKS = json.dumps({"verdict": "ok", "checks": [{"id": "a", "status": "pass"}, {"id": "b", "status": "skipped"}]})
GOOD = {
    gc.STATE: Answer(0, "running\n", ""),
    gc.FAILED_UNITS: Answer(0, "", ""),
    gc.FIRMWARE: Answer(0, "uefi\n", ""),
    gc.ROOT_BYTES: Answer(0, f"{int(11.5 * GIB)}\n", ""),
    "esp": Answer(0, "vfat rw\n", ""),
    gc.CHECK: Answer(0, CHECKS, ""),
    gc.MANIFEST: Answer(0, '{"schema": 1}\n', ""),
}


def _kinds(answers: dict[str, Answer], *, manifest: str | None = '{"schema": 1}\n') -> list[str]:
    found = gc.judge(gc.image_commands(), answers, firmware="uefi", disk_bytes=12 * GIB, manifest=manifest)
    return [finding.kind for finding in found]


def test_a_good_guest_has_no_findings() -> None:
    assert _kinds(GOOD) == []


@pytest.mark.parametrize(
    ("name", "answer", "kinds"),
    [
        (gc.STATE, Answer(1, "degraded\n", ""), ["state"]),
        (gc.STATE, Answer(124, "", ""), ["state"]),
        (gc.FAILED_UNITS, Answer(0, "a.service loaded failed failed A\nb.service loaded failed\n", ""), ["units"] * 2),
        (gc.FIRMWARE, Answer(0, "bios\n", ""), ["firmware"]),
        (gc.ROOT_BYTES, Answer(0, f"{int(9.5 * GIB)}\n", ""), ["growth"]),
        (gc.ROOT_BYTES, Answer(1, "", "findmnt: not found"), ["growth"]),
        ("esp", Answer(1, "", ""), ["command"]),
        (gc.CHECK, Answer(127, "", "sh: gpuforge-node: not found"), ["check-missing"]),
        (gc.CHECK, Answer(0, "", ""), ["check"]),
        (gc.CHECK, Answer(0, "no json", ""), ["check"]),
        (gc.CHECK, Answer(1, CHECKS, "crashed after writing"), ["check"]),
        (gc.CHECK, Answer(3, CHECKS.replace('"pass"', '"unknown"'), ""), ["check"]),
        (gc.CHECK, Answer(0, CHECKS.replace('"pass"', '"fail"'), ""), ["check"]),
        (gc.CHECK, Answer(0, '{"checks": []}', ""), ["check"]),
        (gc.MANIFEST, Answer(1, "", "cat: no such file"), ["command"]),
        (gc.MANIFEST, Answer(0, '{"schema": 1}', ""), ["manifest"]),
    ],
)
def test_each_fault_is_found_and_named(name: str, answer: Answer, kinds: list[str]) -> None:
    assert _kinds({**GOOD, name: answer}) == kinds


@pytest.mark.parametrize("name", list(GOOD))
def test_no_answer_is_never_a_pass(name: str) -> None:
    assert _kinds({key: value for key, value in GOOD.items() if key != name}) == ["no-answer"]


def test_several_faults_are_all_told() -> None:
    assert _kinds({**GOOD, gc.STATE: Answer(1, "degraded", ""), gc.FIRMWARE: Answer(0, "bios", "")}) == [
        "state",
        "firmware",
    ]


def test_a_degraded_system_names_its_failed_units() -> None:
    answers = {**GOOD, gc.STATE: Answer(1, "degraded", ""), gc.FAILED_UNITS: Answer(0, "x.service loaded failed", "")}
    found = gc.judge(gc.SYSTEM_COMMANDS, answers, firmware="uefi", disk_bytes=12 * GIB, manifest=None)
    assert "degraded instead of running; failed: x.service" in found[0].message


def test_a_failed_check_says_what_was_observed_expected_and_to_do() -> None:
    check = {"id": "t", "status": "fail", "observed": "1", "expected": "2", "remedy": "run x"}
    answers = {**GOOD, gc.CHECK: Answer(1, json.dumps({"checks": [check]}), "")}
    found = gc.judge(gc.image_commands(), answers, firmware="uefi", disk_bytes=12 * GIB, manifest=None)
    assert [item.message for item in found] == ["t is fail: observed '1', expected '2'; run x"]


def test_the_manifest_is_compared_only_where_one_lies_beside_the_image() -> None:
    assert _kinds({**GOOD, gc.MANIFEST: replace(GOOD[gc.MANIFEST], stdout="other")}, manifest=None) == []


def test_expectations_reach_the_checker() -> None:
    command = next(item.command for item in gc.image_commands({"gpus": "it's 8"}) if item.name == gc.CHECK)
    before, _, after = command.partition(" && ")
    text = subprocess.run(["sh", "-c", before.partition(" > ")[0]], capture_output=True, text=True, check=True).stdout
    assert json.loads(text) == {"gpus": "it's 8"}
    assert after.endswith("--expect /run/gpuforge-expect.json")


def _run(commands: list[GuestCommand]) -> dict[str, Answer]:
    """The script with this machine's shell; /run is replaced by the folder for temporary files."""
    assert shutil.which("base64")
    script = gc.make_script(commands, "nonce").replace("-p /run", "")
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True)
    first, *rest = done.stdout.splitlines()
    assert gc.is_hello(first, "nonce")
    found = [gc.parse_line(line, "nonce") for line in rest]
    assert None not in found
    return dict(item for item in found if item)


def test_the_script_brings_back_every_byte_and_status() -> None:
    answers = _run(
        [
            GuestCommand("a", "printf 'one\\ntwo ü'; echo oops >&2; exit 3"),
            GuestCommand("empty", "true"),
            GuestCommand("quoted", "echo \"it's\" '$HOME'"),
            GuestCommand("missing", "no-such-program-here"),
            GuestCommand("reads", "cat"),  # must not eat the rest of the script
            GuestCommand("last", "echo end"),
        ]
    )
    assert answers["a"] == Answer(3, "one\ntwo ü", "oops\n")
    assert answers["empty"] == Answer(0, "", "")
    assert answers["quoted"].stdout == "it's $HOME\n"
    assert answers["missing"].status == 127
    assert answers["reads"] == Answer(0, "", "")
    assert answers["last"].stdout == "end\n"


def test_output_cannot_pretend_to_be_an_answer() -> None:
    answers = _run([GuestCommand("a", "echo gpuforge-answer nonce b 0 = =")])
    assert list(answers) == ["a"]
    assert gc.parse_line("gpuforge-answer other b 0 = =", "nonce") is None
    assert gc.parse_line("Last login: never", "nonce") is None
    assert not gc.is_hello("gpuforge-answer other hello", "nonce")
