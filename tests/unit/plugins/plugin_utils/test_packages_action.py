"""Packages are asked for once where all are there; apt works only for what is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.action.packages import ActionModule
from ansible_collections.gpuforge.node.plugins.plugin_utils._apt_policy import Known

THERE, TO_BE_HAD, UNKNOWN = Known("1", "1"), Known(None, "1"), Known(None, None)


class Apt:
    """A machine's packages; installing updates its index and knows `later` from then on."""

    def __init__(self, packages: dict[str, Known], later: dict[str, Known] | None = None, **result: Any) -> None:
        self.packages, self.later, self.result = packages, later or {}, {"changed": True, **result}
        self.asked = 0
        self.calls: list[dict[str, Any]] = []

    def known(self, _names: list[str]) -> dict[str, Known]:
        self.asked += 1
        return dict(self.packages)

    def install(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert module_name == "gpuforge.node.apt_set"
        self.calls.append(module_args)
        self.packages.update(self.later)
        self.packages.update({one["name"]: THERE for one in module_args["packages"]})
        return self.result


def run(monkeypatch: pytest.MonkeyPatch, apt: Apt, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(check_mode=check_mode)
    given = {"set": "tools", "name": [], "optional": [], "require_optional": False, "update_cache": True}
    given = {**given, "lock_timeout": 300, **options}
    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(action, "validate_argument_spec", lambda **_spec: (None, given), raising=False)
    monkeypatch.setattr(action, "_known", apt.known)
    monkeypatch.setattr(action, "_execute_module", apt.install, raising=False)
    return action.run(None, {})


def test_one_question_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"aa": THERE, "bb": THERE})
    assert run(monkeypatch, apt, name=["aa"], optional=["bb"])["changed"] is False
    assert (apt.asked, apt.calls) == (1, [])


def test_no_question_where_nothing_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({})
    assert run(monkeypatch, apt)["changed"] is False
    assert apt.asked == 0


def test_what_is_missing_is_installed_and_all_of_the_set_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"aa": THERE, "bb": TO_BE_HAD, "cc": TO_BE_HAD, "dd": UNKNOWN})
    result = run(monkeypatch, apt, name=["aa", "bb"], optional=["cc", "dd"], update_cache=False)
    assert (result["changed"], result["installed"], result["unknown"]) == (True, ["bb", "cc"], ["dd"])
    assert [call["packages"] for call in apt.calls] == [[{"name": "aa"}, {"name": "bb"}, {"name": "cc"}]]
    assert (apt.calls[0]["name"], apt.calls[0]["hold"], apt.calls[0]["update"]) == ("tools", False, False)


def test_what_a_newer_index_brings_is_installed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"aa": TO_BE_HAD, "late": UNKNOWN}, later={"late": TO_BE_HAD})
    assert run(monkeypatch, apt, name=["aa"], optional=["late"])["installed"] == ["aa", "late"]


def test_check_mode_says_what_apt_would_do_and_asks_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"aa": TO_BE_HAD}, diff={"prepared": "aa"})
    result = run(monkeypatch, apt, check_mode=True, name=["aa"])
    assert (result["changed"], result["installed"], result["diff"]) == (True, ["aa"], {"prepared": "aa"})
    assert apt.asked == 1


def test_what_apt_says_of_a_failure_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, Apt({}, failed=True, msg="No package matching 'aa'"), name=["aa"])
    assert (result["failed"], result["msg"]) == (True, "No package matching 'aa'")


def test_one_of_the_optional_ones_may_be_required(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleActionFail, match="apt knows none of cc, dd, of which one is required"):
        run(monkeypatch, Apt({"cc": UNKNOWN}), optional=["cc", "dd"], require_optional=True)
    run(monkeypatch, Apt({"cc": UNKNOWN, "dd": THERE}), optional=["cc", "dd"], require_optional=True)


def test_check_mode_says_that_none_of_them_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"aa": TO_BE_HAD})
    with pytest.raises(AnsibleActionFail, match="apt knows none of cc"):
        run(monkeypatch, apt, check_mode=True, name=["aa"], optional=["cc"], require_optional=True)


def test_versions_and_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleActionFail, match="without version, pattern or path: aa=1, aa:i386, bb\\*"):
        run(monkeypatch, Apt({}), name=["aa=1", "aa:i386", "ok"], optional=["bb*"])
