"""The stack check in the plan of a bake, and on the command line."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuforge import cli
from gpuforge.collection import Collection
from gpuforge.errors import Refused
from gpuforge.layers import layer_digest
from gpuforge.plan import make_plan
from gpuforge.spec import Spec, parse_spec
from gpuforge.stack import StackAnswer, check_spec, core, exact, load_facts

TODAY = datetime.date(2026, 11, 22)
REPO = Path(__file__).resolve().parents[2]
COLLECTION = Collection(REPO)
MakeSpec = Callable[..., Spec]


@pytest.fixture
def spec(tmp_path: Path) -> MakeSpec:
    """Make a spec of a Debian 12 node; keyword arguments are its keys."""

    def make(**keys: Any) -> Spec:
        import yaml

        return parse_spec(yaml.safe_dump({"name": "try", **keys}), tmp_path / "spec.yml")

    return make


def ask(
    spec: Spec, variables: dict[str, Any] | None = None, layers: tuple[str, ...] = ("nvidia_driver",)
) -> StackAnswer:
    return check_spec(spec, COLLECTION, layers, variables or {}, "nvidia", TODAY)


class TestSpec:
    def test_a_spec_that_works(self, spec: MakeSpec) -> None:
        answer = ask(spec(stack={"driver": "595.91.07", "cuda": "13.2", "gpus": ["H100"]}))
        assert answer.refusals == ()
        assert answer.warnings == ()
        assert answer.summary() == "driver 595.91.07 (production, open module, from nvidia), CUDA 13.2.2"

    def test_refusals_name_the_key_the_reason_and_the_nearest(self, spec: MakeSpec) -> None:
        stack = {"driver": "615.71.09", "cuda": "13.4", "flavour": "proprietary", "gpus": ["V100"]}
        answer = ask(spec(stack=stack))
        assert answer.resolved is None
        assert {item.where for item in answer.refusals} == {"stack.driver", "stack.flavour", "stack.cuda", "stack"}
        assert all(item.why and item.hint for item in answer.refusals[:-1])
        assert answer.refusals[-1].what.startswith("the nearest that works: driver 580.178.04")

    def test_an_end_warns(self, spec: MakeSpec) -> None:
        answer = ask(spec(stack={"source": "distribution"}), {"nvidia_driver_source": "distribution"})
        assert answer.refusals == ()
        assert any("535 ended in 2026-06" in item for item in answer.warnings)
        assert "the release that the archive has" in answer.summary()

    def test_role_variables_count(self, spec: MakeSpec) -> None:
        variables = {
            "nvidia_driver_version": "580",
            "nvidia_driver_flavour": "open",
            "nvidia_driver_extra_packages": ["cuda"],
        }
        answer = ask(spec(stack={"gpus": ["V100"]}), variables)
        assert {item.where for item in answer.refusals} == {
            "stack.flavour",
            "vars.nvidia_driver_extra_packages",
            "stack",
        }

    def test_everything_that_the_layers_will_ask_counts(self, spec: MakeSpec) -> None:
        variables = {
            "cuda_version": "13.0", "cuda_toolkits": ["12.9"], "cuda_compat": True, "nvidia_driver_imex": True,
            "dcgm_version": "3.3.9", "container_toolkit_version": "1.17.7",
        }  # fmt: skip
        layers = ("nvidia_driver", "cuda", "container_toolkit", "dcgm")
        said = [item.what for item in ask(spec(stack={"driver": "535"}), variables, layers).refusals]
        for words in ("branch 535 has no nvidia-imex", "cuda-compat-12-9", "DCGM 3.3.9", "container toolkit 1.17.7"):
            assert any(words in item for item in said) is (words != "cuda-compat-12-9"), (words, said)
        broken = ask(spec(stack={"driver": "595"}), variables, layers)
        assert any("cuda-compat-12-9 is older than driver 595.91.07" in item.what for item in broken.refusals)
        without = [item.what for item in ask(spec(stack={"driver": "595"}), variables).refusals]
        assert not any("DCGM" in item or "container toolkit" in item for item in without)

    def test_layers_beside_the_driver_are_asked_about_without_one(self, spec: MakeSpec) -> None:
        layers = ("dcgm", "container_toolkit")
        said = ask(spec(), {"dcgm_version": "3.3.9"}, layers).refusals
        assert any("DCGM 3.3.9" in item.what for item in said)
        fine = ask(spec(), {"dcgm_version": "4.7.0"}, layers)
        assert (fine.refusals, (fine.resolved or {})["driver"]) == ((), None)
        with_driver = ask(spec(stack={"driver": "595"}), {"dcgm_version": "4.7.0"}, layers)
        assert (with_driver.resolved or {})["driver"]["branch"] == "595"

    def test_the_distribution_is_that_of_the_base(self, spec: MakeSpec) -> None:
        old = ask(spec(stack={"source": "distribution"}), {"nvidia_driver_source": "distribution"})
        new = ask(
            spec(base={"release": "trixie"}, stack={"source": "distribution"}), {"nvidia_driver_source": "distribution"}
        )
        assert (old.resolved or {})["driver"]["branch"] == "535"
        assert (new.resolved or {})["driver"]["branch"] == "550"

    @pytest.mark.parametrize(("layers", "state"), [(("framework",), "present"), (("nvidia_driver",), "absent")])
    def test_without_a_driver_nothing_is_asked(self, spec: MakeSpec, layers: tuple[str, ...], state: str) -> None:
        assert ask(spec(stack={"driver": "600.10.01"}), {"nvidia_driver_state": state}, layers) == StackAnswer()

    def test_own_facts_lie_beside_the_spec(self, spec: MakeSpec, tmp_path: Path) -> None:
        (tmp_path / "own.yml").write_text(
            "branches: {'595': {newest: '595.99.01', source: [field], certainty: certain}}\n"
        )
        made = spec(stack={"driver": "595.99.01", "compat": "own.yml"})
        assert ask(made).refusals == ()
        assert ask(spec(stack={"driver": "595.99.01"})).refusals != ()
        assert ask(spec(stack={"driver": "595.99.01", "allow_unknown": True})).refusals == ()

    def test_facts_that_are_wrong_refuse(self, spec: MakeSpec, tmp_path: Path) -> None:
        (tmp_path / "own.yml").write_text("brunches: {}\nlocks: 1\n")
        with pytest.raises(Refused) as caught:
            ask(spec(stack={"compat": "own.yml"}))
        assert len(caught.value.problems) == 2

    def test_words_become_versions_and_versions_stay(self, spec: MakeSpec) -> None:
        answer = ask(spec(stack={"driver": "lts", "cuda": "13.x"}))
        asked = {"nvidia_driver_version": "lts", "cuda_version": "13.x", "nvidia_driver_flavour": "open"}
        assert exact(asked, answer) == {**asked, "nvidia_driver_version": "580.178.04", "cuda_version": "13.0.2"}
        whole = {"nvidia_driver_version": "580.178.04-1"}
        assert exact(whole, answer) == whole
        assert exact({}, answer) == {}
        assert exact(asked, StackAnswer()) == asked

    def test_a_collection_without_the_check(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="is not there"):
            core(Collection(tmp_path))

    def test_the_facts_are_those_of_the_collection(self) -> None:
        facts = load_facts(core(COLLECTION), None, None)
        assert facts.files == (str(REPO / "plugins/plugin_utils/compat.yml"),)


class TestPlan:
    def test_a_plan_refuses_before_anything_is_made(self, spec: MakeSpec, tmp_path: Path) -> None:
        made = spec(stack={"source": "distribution", "gpus": ["B200"]})
        plan = make_plan(made, work_dir=tmp_path / "none", collection=COLLECTION)
        assert {item.where for item in plan.refusals} >= {"stack.flavour", "stack.driver", "stack"}
        assert plan.layers == ()
        assert not (tmp_path / "none").exists()
        assert plan.to_json()["stack"] is None

    def test_a_plan_says_what_it_resolved(self, spec: MakeSpec, tmp_path: Path) -> None:
        plan = make_plan(spec(stack={"source": "distribution"}), work_dir=tmp_path, collection=COLLECTION)
        assert plan.refusals == ()
        assert plan.to_json()["stack"]["driver"]["branch"] == "535"
        assert any("535 ended" in item for item in plan.warnings)
        assert plan.variables.get("nvidia_driver_version") is None
        assert not [name for name in plan.variables if name.startswith("stack_")]

    def test_a_bake_asks_with_what_the_plan_asked_with(self, spec: MakeSpec, tmp_path: Path) -> None:
        (tmp_path / "own.yml").write_text("date: '2026-11-22'\n")
        stack = {"driver": "lts", "source": "nvidia", "compat": "own.yml", "allow_unknown": True}
        old, new = (
            make_plan(spec(stack={**stack, "gpus": [gpu]}), work_dir=tmp_path, collection=COLLECTION)
            for gpu in ("V100", "H100")
        )
        assert old.refusals == new.refusals == ()
        assert {name: value for name, value in old.variables.items() if name.startswith("stack_")} == {
            "stack_gpus": ["V100"], "stack_allow_unknown": True, "stack_compat_file": str(tmp_path / "own.yml"),
        }  # fmt: skip
        # The GPUs decide on the kernel module and on DCGM's packages: their layers are not one another's.
        digests = {layer_digest(COLLECTION, "nvidia_driver", "base", plan.variables) for plan in (old, new)}
        assert len(digests) == 2


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["stack", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


class TestCommand:
    def test_check_passes(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = run(capsys, "check", "--driver", "595", "--cuda", "13.2", "--os", "debian12", "--gpu", "H100")
        assert (code, err) == (0, "")
        assert "595.91.07" in out
        assert "nvidia-kernel-open-dkms=595.91.07-*" in out
        assert "cuda-toolkit-13-2=13.2.2-*" in out

    def test_check_refuses_with_3(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = run(
            capsys, "check", "--driver", "595", "--flavour", "proprietary", "--gpu", "V100", "--gpu", "B200"
        )
        assert (code, out) == (3, "")
        for words in ("no longer drives V100", "B200", "no driver drives V100 and B200", "the nearest that works"):
            assert words in err

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _err = run(capsys, "check", "--driver", "615", "--flavour", "proprietary", "--json")
        answer = json.loads(out)
        assert (code, answer["ok"], answer["passes"], answer["refusals"][0]["rule"]) == (
            3,
            False,
            False,
            "module-not-packaged",
        )
        assert answer["nearest"]["resolved"]["driver"]["flavour"] == "open"
        code, out, _err = run(capsys, "check", "--driver", "580", "--json")
        assert (code, json.loads(out)["resolved"]["driver"]["version"]) == (0, "580.178.04")

    @pytest.mark.parametrize(
        ("words", "driver"),
        [
            (("lts",), "580.178.04"), (("newest", "for", "V100"), "580.178.04"), (("570",), "570.211.01"),
            (("newest for H100 on Debian 12",), "615.71.09"),
        ],
    )  # fmt: skip
    def test_resolve(self, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], driver: str) -> None:
        code, out, _err = run(capsys, "resolve", *words, "--json")
        assert (code, json.loads(out)["resolved"]["driver"]["version"]) == (0, driver)

    def test_resolve_a_toolkit(self, capsys: pytest.CaptureFixture[str]) -> None:
        _code, out, _err = run(capsys, "resolve", "12.x", "--gpu", "V100", "--json")
        stack = json.loads(out)["resolved"]
        assert (stack["cuda"]["version"], stack["driver"]["version"]) == ("12.9.1", "580.178.04")

    def test_warnings_are_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _err = run(capsys, "check", "--driver", "535")
        assert code == 0
        assert "warning: branch 535 ended in 2026-06" in out

    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (("check", "--driver", "prodution"), "did you mean production?"),
            (("chek",), 'did you mean "check"?'),
            ((), "VERB"),
            (("check", "--flavour", "closed"), '"closed" is not one of auto, open, proprietary'),
        ],
    )
    def test_bad_usage(self, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str) -> None:
        code, out, err = run(capsys, *argv)
        assert (code, out) == (2, "")
        assert words in err

    def test_facts_that_are_wrong(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        code, _out, err = run(capsys, "list", "--compat", str(tmp_path / "none.yml"))
        assert code == 3
        assert "No such file" in err

    def test_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _err = run(capsys, "list")
        assert code == 0
        assert "580     LTS          2028-06      580.178.04" in out
        code, out, _err = run(capsys, "list", "--json")
        assert {"branches", "toolkits", "generations", "date"} <= set(json.loads(out))

    def test_an_override_is_used(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        own = tmp_path / "own.yml"
        own.write_text("branches: {'580': {class: production, source: [field], certainty: certain}}\n")
        code, _out, err = run(capsys, "resolve", "lts", "--compat", str(own), "--json")
        assert code == 0, err
