"""Puts the recipes of `configs/` into the package that is built, where `fcn.config.recipes` finds them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Builds the package; one that is installed for editing finds the recipes in its checkout."""

    def run(self) -> None:
        """Copies the modules, then the recipes."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "fcn", "recipes")
        target.mkdir(parents=True, exist_ok=True)
        for recipe in sorted(Path(__file__).parent.glob("configs/*.yaml")):
            shutil.copyfile(recipe, target / recipe.name)


setup(cmdclass={"build_py": BuildWithRecipes})
