"""The wheel: what is in it, and that it works without the checkout that it was built from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def done(*command: str | Path, cwd: Path) -> str:
    """What a command prints, without any setting of Cascade or Python in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CASCADE_", "PYTHON"))}
    ended = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, to build in."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "data")
    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def wheel(project: Path, *what: str) -> Path:
    """The wheel that pip builds there, by default from the whole folder."""
    target = project.parent / "wheels"
    done(*PIP, "wheel", *(what or (".",)), "--no-deps", "--no-build-isolation", "--wheel-dir", target, cwd=project)
    (built,) = target.iterdir()
    return built


def content(built: Path) -> set[str]:
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_that_runs_and_nothing_else(project: Path) -> None:
    removed = project / "sql" / "marts" / "removed.sql"
    removed.write_text("select 1 as one\n", encoding="utf-8")
    assert "assets/sql/marts/removed.sql" in content(wheel(project))
    removed.unlink()

    packages = {path for top in ("assets", "pipelines") for path in (project / top).rglob("*.*")}
    expected = {path.relative_to(project).as_posix() for path in packages}
    expected |= {f"assets/{path.relative_to(project)}" for path in (project / "sql").rglob("*.sql")}
    built = {name for name in content(wheel(project)) if ".dist-info/" not in name}
    assert built == expected

    source = "import sys; from setuptools import build_meta; build_meta.build_sdist('.')"
    done(sys.executable, "-c", source, cwd=project)
    (archive,) = project.glob("*.tar.gz")
    assert {name for name in content(wheel(project, archive.name)) if ".dist-info/" not in name} == built


def test_the_wheel_runs_in_any_folder(project: Path, tmp_path: Path) -> None:
    # The environment lies in a repository of its user, whose commits say nothing about Cascade.
    git = ["git", "-c", "user.name=User", "-c", "user.email=user@localhost"]
    done(*git, "init", "--quiet", cwd=tmp_path)
    done(*git, "commit", "--quiet", "--allow-empty", "--message", "theirs", cwd=tmp_path)
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    done(*PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel(project), cwd=tmp_path)
    packages = Path(done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    # The other packages are those that run this test. A .pth file adds their folder, but not the checkout that a .pth
    # file in there adds.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")

    here = tmp_path / "a folder"
    here.mkdir()
    for package in ("assets", "pipelines"):
        imported = done(python, "-c", f"import {package}; print({package}.__file__)", cwd=here)
        assert Path(imported.strip()) == packages / package / "__init__.py"

    def cascade(*arguments: str) -> str:
        return done(python.with_name("cascade"), *arguments, cwd=here)

    assert "data/demo/report.html" in cascade("run", "--source", "demo")
    assert {path.name for path in here.iterdir()} == {"data"}
    assert (here / "data" / "demo" / "dagster" / "dagster.yaml").samefile(packages / "pipelines" / "dagster.yaml")
    assert "Stages" in cascade("status")
    assert "insufficient" in cascade("claims")
    (here / "data" / "demo" / "report.html").unlink()
    cascade("report")
    assert "<svg" in (here / "data" / "demo" / "report.html").read_text(encoding="utf-8")
    published = cascade("query", "--csv", "select code_version, status from meta.runs").splitlines()
    assert published == ["code_version,status", f"{version('liquidity-cascade')},published"]
    done(python, "-m", "dagster", "definitions", "validate", "-m", "pipelines.definitions", cwd=here)
