"""What users' CI takes from us does what it says: its scripts are run, on real notebooks."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("PATHS", "TIME_LIMIT", "CELL_TIME_LIMIT", "MEMORY_LIMIT", "JOBS", "KERNEL")
SETTINGS += ("REPORT", "VERSION", "REQUIREMENTS")

# As each system starts a shell.
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
SHELLS = {"github": BASH, "gitlab": ["sh", "-c"], "circleci": BASH}


def scripts(system: str) -> list[str]:
    """The installation, then the validation."""
    if system == "github":
        action = yaml.safe_load((ROOT / "ci/github/action.yml").read_text())
        return [step["run"] for step in action["runs"]["steps"] if "run" in step]
    if system == "gitlab":
        job = yaml.safe_load((ROOT / "ci/gitlab/validate.gitlab-ci.yml").read_text())
        return [*job[".gpuctl-validate"]["before_script"], *job[".gpuctl-validate"]["script"]]
    config = yaml.safe_load((ROOT / "ci/circleci/config.yml").read_text())
    steps = config["commands"]["gpuctl-validate"]["steps"]
    return [step["run"]["command"] for step in steps if "run" in step]


def environment(**settings: str) -> dict[str, str]:
    values = {f"GPUCTL_{name}": settings.get(name, "") for name in SETTINGS}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # What is asked for is installed already: nothing is fetched.
    return {**os.environ, "PATH": path, "PIP_NO_INDEX": "1", **values}


def run(system: str, script: str, folder: Path, **settings: str) -> subprocess.CompletedProcess:
    env = environment(**{"REPORT": "out/report.json", **settings})
    env["GITHUB_OUTPUT"] = str(folder / "github-output")
    env.pop("GITHUB_STEP_SUMMARY", None)
    if system == "github":
        env["GITHUB_STEP_SUMMARY"] = str(folder / "github-summary")
        env["GITHUB_WORKSPACE"] = str(folder)
    return subprocess.run(
        [*SHELLS[system], script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def write_notebook(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source)], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, path)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "course"
    write_notebook(folder / "first lessons/good.ipynb", "print(1)")
    write_notebook(folder / "exercises/bad.ipynb", "1 / 0")
    return folder


def verdicts(folder: Path) -> dict[str, str]:
    report = json.loads((folder / "out/report.json").read_text())
    return {Path(each["path"]).name: each["verdict"] for each in report["notebooks"]}


@pytest.mark.parametrize("system", SHELLS)
def test_the_scripts_of_a_template_fail_for_a_bad_notebook_and_leave_a_report(system, course):
    install, validate = scripts(system)
    installed = run(system, install, course)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    result = run(system, validate, course, PATHS="first lessons\n\nexercises/*.ipynb\n")
    assert result.returncode == 1, result.stdout + result.stderr
    assert verdicts(course) == {"good.ipynb": "passed", "bad.ipynb": "failed"}
    suites = ElementTree.parse(course / "gpuctl-junit.xml").getroot()
    assert {suite.get("failures") for suite in suites} == {"0", "1"}
    assert "1 of 2 notebooks failed." in (course / "gpuctl-report.html").read_text()
    if system == "github":
        assert (course / "github-output").read_text() == "report=out/report.json\n"
        assert "1 of 2 notebooks failed." in (course / "github-summary").read_text()
        command = next(line for line in result.stdout.splitlines() if line.startswith("::error "))
        file, line = re.match(r"::error file=([^,]*),line=(\d+),", command).groups()
        assert "1 / 0" in (course / file).read_text().splitlines()[int(line) - 1]
    else:
        assert "::error" not in result.stdout


def test_the_scripts_pass_where_all_notebooks_do(course):
    result = run("gitlab", scripts("gitlab")[1], course, PATHS="first lessons")
    assert result.returncode == 0, result.stdout + result.stderr
    assert verdicts(course) == {"good.ipynb": "passed"}


def test_what_is_set_reaches_the_validator(course):
    settings = {"TIME_LIMIT": "5m", "CELL_TIME_LIMIT": "1m", "MEMORY_LIMIT": "1GiB", "JOBS": "1"}
    result = run(
        "gitlab", scripts("gitlab")[1], course, PATHS="first lessons", KERNEL="python3", **settings
    )
    assert result.returncode == 0, result.stdout + result.stderr
    limits = json.loads((course / "out/report.json").read_text())["limits"]
    assert {300, 60, 1024**3} <= {value for value in limits.values() if value is not None}


@pytest.mark.parametrize("system", SHELLS)
@pytest.mark.parametrize("name", ["PATHS", "MEMORY_LIMIT", "REPORT", "KERNEL"])
def test_a_value_that_looks_like_a_command_is_not_run(system, name, course):
    value = "$(touch pwned)`touch pwned`\"; touch pwned; '; touch pwned;"
    settings = {"PATHS": "no-such-folder", name: value}
    result = run(system, scripts(system)[1], course, **settings)
    assert result.returncode == 2, result.stdout + result.stderr
    assert not (course / "pwned").exists()


def test_a_version_and_requirements_are_asked_of_pip(course):
    (course / "needs.txt").write_text("nbformat\n")
    install = scripts("gitlab")[0]
    good = run("gitlab", install, course, VERSION=installed_version(), REQUIREMENTS="needs.txt")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "nbformat" in good.stdout
    wrong = run("gitlab", install, course, VERSION="0.0.0.dev1")
    assert wrong.returncode != 0
    assert "jupyter-gpuctl==0.0.0.dev1" in wrong.stderr


def installed_version() -> str:
    from importlib.metadata import version

    return version("jupyter-gpuctl")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_pre_commit_hook_refuses_a_notebook_that_fails(course, tmp_path):
    """As users have it: pre-commit clones the repository that the hook comes from."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    for folder in (hooks, course):
        git(folder, "init", "--quiet")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "Begin")
    repo = {"repo": str(hooks), "rev": git(hooks, "rev-parse", "HEAD")}
    hook = {"id": "gpuctl-validate", "args": ["--time-limit", "5m"]}
    config = {"repos": [{**repo, "hooks": [hook]}]}
    (course / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(course, "add", ".")
    env = {**environment(), "PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def hooked(*files: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pre_commit", "run", "--verbose", "--files", *files]
        return subprocess.run(
            command, cwd=course, env=env, capture_output=True, text=True, check=False
        )

    refused = hooked("exercises/bad.ipynb", "first lessons/good.ipynb")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "bad.ipynb" in refused.stdout
    passed = hooked("first lessons/good.ipynb")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "Passed" in passed.stdout
    other = hooked(".pre-commit-config.yaml")
    assert "no files to check" in other.stdout
