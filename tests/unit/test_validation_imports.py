"""What is read from a notebook's code before its kernel is forked, and what may be forked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from jupyter_gpuctl.validation.forking import shared, unlike_ours
from jupyter_gpuctl.validation.imports import (
    code_cells,
    hidden_by,
    imported,
    installed,
    is_importable,
    is_installed,
    kernel_name,
)


def modules(*cells: str) -> list[str]:
    return [module for module, _ in imported(cells)]


def test_imports_at_the_top_level_of_cells_are_found_in_order() -> None:
    cells = ("import numpy as np, os\nfrom pandas import DataFrame", "x = 1\nimport scipy.stats")
    assert modules(*cells) == ["numpy", "os", "pandas", "scipy.stats"]


def test_imports_that_may_not_happen_are_left_alone() -> None:
    assert (
        modules("if x:\n    import a\ndef f():\n    import b\ntry:\n    import c\nfinally: pass")
        == []
    )
    assert modules("from . import a\nfrom .b import c") == []


def test_magics_don_t_hide_the_imports_beside_them() -> None:
    assert modules("%matplotlib inline\nimport a\n!ls\na?\nimport b") == ["a", "b"]
    assert modules("%%time\nimport a") == ["a"]
    assert modules("%%bash\nimport a", "import b") == ["b"]


def test_a_cell_that_is_no_python_hides_nothing_else() -> None:
    assert modules("import a", "x ==== 2", "import b") == ["a", "b"]


@pytest.mark.parametrize(
    "turn",
    [
        "os.environ['OMP_NUM_THREADS'] = '1'",
        "sys.path.insert(0, '..')",
        "%env MPLBACKEND=agg",
        "!pip install a",
        "%pip install a",
        "sys.modules['a'] = 1",
    ],
)
def test_nothing_is_certain_after_what_changes_how_imports_go(turn: str) -> None:
    assert modules(f"import a\n{turn}\nimport b", "import c") == ["a"]


def test_from_a_package_its_modules_are_imported_and_not_its_functions() -> None:
    there = {"scipy", "scipy.stats", "numpy"}
    wanted = imported(["from scipy import stats, inf\nfrom numpy import array\nimport missing"])
    assert installed(wanted, there.__contains__) == ("scipy.stats", "numpy")


def test_only_what_lies_in_site_packages_is_installed() -> None:
    assert is_installed("nbformat.v4")
    assert not is_installed("json")
    assert not is_installed("nbformat.nowhere")
    assert not is_installed("nowhere.at.all")
    assert is_importable("json.decoder")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"cells": 3}', b'{"cells": [3]}', b"\xff"])
def test_what_is_no_notebook_holds_no_code_and_names_no_kernel(raw: bytes) -> None:
    assert code_cells(raw) == []
    assert kernel_name(raw) == "python3"


def test_code_of_a_notebook_leaves_out_text_and_skipped_cells() -> None:
    cells = [
        {"cell_type": "markdown", "source": "import a"},
        {"cell_type": "code", "source": ["import b\n", "import c"], "metadata": {}},
        {"cell_type": "code", "source": "import d", "metadata": {"tags": ["skip-execution"]}},
    ]
    raw = json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": "ir"}}}).encode()
    assert code_cells(raw) == ["import b\nimport c"]
    assert kernel_name(raw) == "ir"


def test_files_and_packages_beside_a_notebook_hide_modules_and_plain_folders_don_t(
    tmp_path: Path,
) -> None:
    (tmp_path / "pandas").mkdir()
    (tmp_path / "numpy.csv").touch()
    assert hidden_by(tmp_path, ["pandas", "numpy"]) is None
    (tmp_path / "numpy.py").touch()
    assert hidden_by(tmp_path, ["pandas", "numpy"]) == "numpy.py"
    assert hidden_by(tmp_path, ["pandas"]) is None
    (tmp_path / "pandas" / "__init__.py").touch()
    assert hidden_by(tmp_path, ["pandas"]) == "pandas"
    assert hidden_by(tmp_path / "nowhere", ["pandas"]) is None


def test_only_what_several_notebooks_import_is_shared_and_most_first() -> None:
    assert shared([("a", "b"), ("b", "c"), ("b", "c"), ("d",)]) == ["b", "c"]


LAUNCH = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.mark.parametrize("program", ["python", "python3", sys.executable])
def test_a_kernel_of_this_python_may_be_forked(program: str) -> None:
    assert unlike_ours([program, *LAUNCH], {}, {"debugger": True}) is None
    # As `ipykernel install` writes it.
    assert unlike_ours([program, "-Xfrozen_modules=off", *LAUNCH], {}, {}) is None


@pytest.mark.parametrize(
    ("argv", "environment", "metadata", "told"),
    [
        (["python", "-m", "bash_kernel", "-f", "{connection_file}"], {}, {}, "another program"),
        (["/usr/bin/other", *LAUNCH], {}, {}, "another Python"),
        (["python", "-X", "dev", *LAUNCH], {}, {}, "another program"),
        (["python", *LAUNCH], {"X": "1"}, {}, "an environment of its own"),
        (["python", *LAUNCH], {}, {"kernel_provisioner": {"x": 1}}, "a provisioner of its own"),
    ],
)
def test_another_kernel_may_not_and_it_is_told_why(
    argv: list[str], environment: dict[str, str], metadata: object, told: str
) -> None:
    assert told in str(unlike_ours(argv, environment, metadata))
