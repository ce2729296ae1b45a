"""The recipe that plans start from."""

from pathlib import Path

from fcn.config.file import load_config
from fcn.planning.own_classes import own_classes

CONFIGS = Path(__file__).parents[2] / "configs"


def test_it_is_the_recipe_that_is_shipped() -> None:
    assert own_classes(Path("data/mine")) == load_config(CONFIGS / "own_classes.yaml")
