"""What users' CI takes from us is well-formed, safe, and the same on every system."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "ci/github/action.yml"
WORKFLOW = ROOT / "ci/github/example-workflow.yml"
GITLAB = ROOT / "ci/gitlab/validate.gitlab-ci.yml"
CIRCLECI = ROOT / "ci/circleci/config.yml"

# SC2250 wants "${x}" for "$x", a matter of taste; SC2154 is a variable set outside the script: the
# test of variables below checks those.
EXCLUDED = "--exclude=SC2250,SC2154"
TEMPLATES = pytest.mark.parametrize("path", [ACTION, GITLAB, CIRCLECI], ids=lambda path: path.name)


# The tools of the environment that runs the tests, whether or not it was activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **options,
    )


def steps(path: Path) -> Iterator[tuple[str, str]]:
    """Each shell script of a template, with a name for it, in the order in which they run."""
    document = yaml.safe_load(path.read_text())
    if path == ACTION:
        for step in document["runs"]["steps"]:
            if "run" in step:
                yield step["name"], step["run"]
    elif path == GITLAB:
        job = document[".gpuctl-validate"]
        yield from (("before_script", script) for script in job["before_script"])
        yield from (("script", script) for script in job["script"])
    else:
        for step in document["commands"]["gpuctl-validate"]["steps"]:
            if "run" in step:
                yield step["run"]["name"], step["run"]["command"]


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (ACTION, ["--builtin-schema", "vendor.github-actions"]),
        (WORKFLOW, ["--builtin-schema", "vendor.github-workflows"]),
        (GITLAB, ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
        (CIRCLECI, ["--builtin-schema", "vendor.circle-ci"]),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_each_template_fits_the_schema_of_its_system(path, options):
    result = run("check-jsonschema", *options, path)
    assert result.returncode == 0, result.stdout


def test_the_action_and_the_workflow_pass_a_security_audit(tmp_path):
    workflows = tmp_path / ".github/workflows"
    workflows.mkdir(parents=True)
    shutil.copy(WORKFLOW, workflows)
    shutil.copy(ACTION, tmp_path)
    # `./` for an action of one's own repository is a finding of low severity: the newer `$/` that
    # it asks for isn't known to every GitHub Enterprise Server.
    persona = ["--persona", "auditor", "--min-severity", "medium"]
    result = run("zizmor", "--offline", "--no-config", *persona, tmp_path)
    assert result.returncode == 0, result.stdout
    assert "example-workflow.yml" in result.stdout, "the audit didn't see the workflow"


@TEMPLATES
def test_shell_parts_pass_shellcheck(path):
    for name, script in steps(path):
        result = run("shellcheck", "--shell=sh", "--enable=all", EXCLUDED, "-", input=script)
        assert result.returncode == 0, f"{path.name}, {name}:\n{result.stdout}"


@TEMPLATES
def test_no_value_of_the_user_is_written_into_a_script(path):
    for name, script in steps(path):
        assert not re.search(r"\$\{\{|<<\s*(parameters|pipeline)\b|\$\[\[", script), name


def test_every_system_runs_the_same_script():
    def validate(path: Path) -> list[str]:
        *_, (_, script) = steps(path)
        return [line for line in script.splitlines() if "GITHUB_OUTPUT" not in line]

    def install(path: Path) -> str:
        (_, script), *_ = steps(path)
        return script

    assert validate(ACTION) == validate(GITLAB) == validate(CIRCLECI)
    assert install(ACTION) == install(GITLAB) == install(CIRCLECI)


def test_every_variable_of_a_script_is_set_by_its_template():
    action = yaml.safe_load(ACTION.read_text())
    for step in action["runs"]["steps"]:
        if "run" in step:
            assert names(step["run"]) == set(step["env"]), step["name"]
            for value in step["env"].values():
                name = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)
                assert name, value
                assert name[1] in action["inputs"], value
    job = yaml.safe_load(GITLAB.read_text())[".gpuctl-validate"]
    assert set().union(*(names(script) for _, script in steps(GITLAB))) == set(job["variables"])
    command = yaml.safe_load(CIRCLECI.read_text())["commands"]["gpuctl-validate"]
    for step in command["steps"]:
        if "run" in step:
            assert names(step["run"]["command"]) == set(step["run"]["environment"])


def names(script: str) -> set[str]:
    return set(re.findall(r"GPUCTL_[A-Z_]+", script))


def test_other_peoples_actions_are_pinned_to_a_commit():
    for path in (ACTION, WORKFLOW):
        for reference in re.findall(r"uses: (\S+)", path.read_text()):
            assert reference.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", reference)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("validate-manifest", ".pre-commit-hooks.yaml"),
        ("validate-config", ".pre-commit-config.yaml"),
    ],
)
def test_pre_commit_accepts_our_files(command, name):
    result = run("pre-commit", command, name)
    assert result.returncode == 0, result.stdout


def test_our_own_checks_fetch_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for repo in config["repos"]:
        assert repo["repo"] == "local"
        assert {hook["language"] for hook in repo["hooks"]} == {"system"}
