"""What the wheel holds besides the two packages and their data (pyproject.toml): sql/, as a folder of `assets`.

In the repository it is at the top. Installed there, it would be a folder of loose files among other packages.
"""

from pathlib import Path
from shutil import copytree, rmtree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Copies the packages, then sql/ into one of them. An editable installation reads it where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "assets" / "sql"
            # build/ is used again, and a model that was removed since then would still become a table.
            rmtree(target, ignore_errors=True)
            copytree("sql", target)


setup(cmdclass={"build_py": BuildPy})
