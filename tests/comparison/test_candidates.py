"""Tests of the nets of a grid: names, folders, configurations, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from fcn.comparison.candidates import Request
from fcn.comparison.plan import Plan, plan_comparison
from fcn.config.file import load_config
from fcn.errors import ConfigError, FcnError, RunError


def planned(config: Path, *vary: str, **options: object) -> Plan:
    return plan_comparison(Request([config], config.parent / "out", vary=vary, **options))


def test_a_net_for_each_combination(write_config) -> None:
    config = write_config()
    plan = planned(config, "train.learning_rate=1e-4,3e-4", "model.net=fcn8s,largefov", steps=7)
    assert plan.varied == ("train.learning_rate", "model.net")
    assert [(one.name, one.path.name) for one in plan.candidates] == [
        ("0.0001, fcn8s", "train.learning_rate=0.0001,model.net=fcn8s"),
        ("0.0001, largefov", "train.learning_rate=0.0001,model.net=largefov"),
        ("0.0003, fcn8s", "train.learning_rate=0.0003,model.net=fcn8s"),
        ("0.0003, largefov", "train.learning_rate=0.0003,model.net=largefov"),
    ]
    for one in plan.candidates:
        assert one.path.parent == config.parent / "out"
        # What `fcn train CONFIG --set ...` would do.
        changes = [f"{key}={value}" for key, value in one.varied.items()]
        assert one.config == load_config(config, [*changes, "train.steps=7"])
    assert plan.rungs == ()


def test_further_values_leave_the_folders_of_the_others(write_config) -> None:
    config = write_config()
    few = planned(config, "train.momentum=0.9,0.5")
    more = planned(config, "train.momentum=0.1,0.50,9.0e-1")
    assert {one.path for one in few.candidates} < {one.path for one in more.candidates}


def test_lists_and_paths_are_values_too(write_config) -> None:
    plan = planned(write_config(), "augmentation.crop_size=[32, 32],[24, 40]", "model.weights=none,../a b")
    crops = [one.config.augmentation.crop_size for one in plan.candidates if one.config]
    assert crops == [(32, 32), (32, 32), (24, 40), (24, 40)]
    assert [one.name for one in plan.candidates[:2]] == ["[32, 32], none", "[32, 32], ../a b"]
    assert len({one.path for one in plan.candidates}) == 4
    assert all("/" not in one.path.name for one in plan.candidates)


def test_names_of_several_configurations_and_nets(write_config) -> None:
    configs = [write_config("one"), write_config("two")]
    plan = plan_comparison(Request(configs, Path("out"), vary=["train.momentum=0.5,0.9"]))
    assert [one.name for one in plan.candidates] == ["one, 0.5", "one, 0.9", "two, 0.5", "two, 0.9"]
    assert plan.candidates[0].path == Path("out/one,train.momentum=0.5")
    plan = planned(configs[0], "train.momentum=0.5", nets=("fcn8s", "frontend"))
    assert [one.path.name for one in plan.candidates] == [
        *("fcn8s,train.momentum=0.5", "frontend,train.momentum=0.5")
    ]


def test_budgets_may_differ_in_what_varies(write_config) -> None:
    config = write_config()
    for key, values in (("steps", (5, 9)), ("seed", (0, 1, 2)), ("batch_size", (1, 2)), ("epochs", (2, 4))):
        plan = planned(config, f"train.{key}={','.join(map(str, values))}")
        assert [one.varied for one in plan.candidates] == [{f"train.{key}": value} for value in values]
    assert [one.config.train.steps for one in plan.candidates if one.config] == [4, 8]


@pytest.mark.parametrize(
    ("vary", "options", "said"),
    [
        ("train.lr=1,2", {}, "train.lr: unknown key. Did you mean train.learning_rate?"),
        ("train.learningrate=1,2", {}, "Did you mean train.learning_rate?"),
        ("trian.seed=1,2", {}, "Did you mean train?"),
        ("train.seed=1,x", {}, "train.seed: expected a whole number"),
        ("train.seed=1,01", {}, "--vary train.seed: expected different values. Received: 1, 01"),
        ("train.seed=1,", {}, "--vary train.seed: expected values separated by commas"),
        ("train.seed=1,2", {"seed": 3}, "--vary train.seed: --seed gives one value to it"),
        ("train.epochs=1,2", {"steps": 3}, "--vary train.epochs: --steps gives one value to it"),
        ("model.net=fcn8s", {"nets": ("fcn8s",)}, "--vary model.net: --nets gives"),
        ("train.seed=1", {"changes": ["train.seed=1"]}, "--vary train.seed: --set gives"),
        ("data.root=a,b", {"data": Path("a")}, "--vary data.root: --data gives"),
        (
            "train.steps=4,8",
            {"halving": True},
            "--halving: sets the steps of each net, so --vary train.steps",
        ),
        ("train.seed=4", {"halving": True}, "--halving: expected at least 2 nets to train"),
        ("train.hours=1,2", {}, "train.hours=1 would give each net another number of steps"),
        ("train.seed=1,2", {"changes": ["train.hours=1"]}, "after equally many: add --steps N."),
        (
            "train.seed=1,2,3",
            {"halving": True},
            "--halving: expected at least 4 steps for 3 nets. Received: ",
        ),
    ],
)
def test_mistakes_are_told(write_config, vary: str, options: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(write_config(), vary, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"), [({"vary": ["train.seed=1,2"]}, "--vary"), ({"halving": True}, "--halving")]
)
def test_models_that_are_loaded_have_no_grid(
    model_path: Path, dataset: Path, options: dict, said: str
) -> None:
    with pytest.raises(RunError, match=f"{said}: applies to configurations"):
        plan_comparison(Request([model_path], Path("out"), data=dataset, **options))


def test_one_data_set_also_in_a_grid(write_config, tmp_path: Path) -> None:
    with pytest.raises(FcnError, match=r"data\.root: expected the same value for all nets"):
        planned(write_config(), f"data.root={tmp_path},{tmp_path.parent}")


def test_a_plan_imports_no_backend(write_config) -> None:
    program = (
        "import sys; from pathlib import Path; from fcn.comparison.candidates import Request; "
        "from fcn.comparison.plan import plan_comparison; "
        "plan = plan_comparison(Request([Path(sys.argv[1])], Path('out'), vary=['train.epochs=1,2'])); "
        "print(len(plan.candidates), {'keras', 'tensorflow'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, write_config()], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "2 set()"


def test_rungs_of_a_halving(write_config) -> None:
    plan = planned(write_config(), "train.seed=1,2,3,4", steps=10, halving=True)
    assert plan.rungs == (3, 5, 10)
    assert plan.candidates[0].trained_for(3).config == load_config(
        *(write_config(), ["train.seed=1", "train.steps=3"])
    )
