"""What the wheel holds besides the two packages and their data (pyproject.toml): sql/ in `assets`, dagster.yaml in
`pipelines`. In the repository both are at the top; installed there they would be loose files among other packages.
"""

from pathlib import Path
from shutil import copy, copytree, rmtree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Copies the packages, then sql/ and dagster.yaml into them. An editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib)
            # build/ is used again, and a model that was removed since then would still become a table.
            rmtree(folder / "assets" / "sql", ignore_errors=True)
            copytree("sql", folder / "assets" / "sql")
            copy("dagster.yaml", folder / "pipelines")


setup(cmdclass={"build_py": BuildPy})
