"""What of a notebook its run rests on: the key of the cache."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jupyter_gpuctl.validation.model import Limits
from jupyter_gpuctl.validation.past.code import Code, read_code
from jupyter_gpuctl.validation.past.store import covers, result_key

texts = st.text(max_size=30)
sources = texts | st.lists(texts, max_size=3)
tags = st.sampled_from(["skip-execution", "raises-exception", "hide-input", "parameters", "x"])
timeouts = st.none() | st.integers(-1, 100) | st.just("60")


@st.composite
def cells(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if draw(st.booleans()):
        metadata["tags"] = draw(st.lists(tags, unique=True))
    if draw(st.booleans()):
        metadata["execution"] = {"timeout": draw(timeouts)}
    cell = {"cell_type": kind, "metadata": metadata, "source": draw(sources)}
    if kind == "code":
        cell |= {"outputs": [], "execution_count": draw(st.none() | st.integers(1, 9))}
    return cell


@st.composite
def notebooks(draw: st.DrawFn, least: int = 0) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from(["code", "code", "markdown", "raw"]), max_size=5))
    made = [draw(cells(kind)) for kind in [*kinds, *["code"] * least]]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": draw(st.sampled_from(["python3", "ir"]))}},
        "cells": made,
    }


def code_of(notebook: Any) -> Code:
    code = read_code(json.dumps(notebook).encode())
    assert code is not None
    return code


def key_of(notebook: Any) -> str:
    return code_of(notebook).digest()


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@given(notebooks(), st.data())
def test_outputs_prose_and_display_never_change_the_key(notebook: Any, data: st.DataObject) -> None:
    before = key_of(notebook)
    changed = copy.deepcopy(notebook)
    changed["metadata"]["language_info"] = {"version": data.draw(texts)}
    for cell in changed["cells"]:
        cell["id"] = data.draw(texts)
        cell["metadata"]["collapsed"] = data.draw(st.booleans())
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "new"}]
            cell["execution_count"] = data.draw(st.none() | st.integers())
            if "tags" in cell["metadata"]:
                cell["metadata"]["tags"] = [*cell["metadata"]["tags"], "hide-output"][::-1]
        else:
            cell["source"] = data.draw(sources)
            cell["metadata"]["tags"] = data.draw(st.lists(tags))
    place = data.draw(st.integers(0, len(changed["cells"])))
    changed["cells"].insert(place, data.draw(cells("markdown")))
    assert key_of(changed) == before


@given(notebooks(least=1), st.data())
def test_any_change_of_code_changes_the_key(notebook: Any, data: st.DataObject) -> None:
    before = key_of(notebook)
    cell = data.draw(st.sampled_from(code_cells(notebook)))
    was = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    cell["source"] = data.draw(texts)
    assume(cell["source"] != was)
    assert key_of(notebook) != before


@given(notebooks(least=1), st.data(), st.sampled_from(["skip-execution", "raises-exception"]))
def test_a_tag_that_matters_changes_the_key(notebook: Any, data: st.DataObject, tag: str) -> None:
    before = key_of(notebook)
    cell = data.draw(st.sampled_from(code_cells(notebook)))
    present = cell["metadata"].setdefault("tags", [])
    if tag in present:
        present.remove(tag)
    else:
        present.append(tag)
    assert key_of(notebook) != before


@given(notebooks(least=1), st.data(), timeouts)
def test_a_timeout_changes_the_key(notebook: Any, data: st.DataObject, timeout: Any) -> None:
    before = key_of(notebook)
    places = [notebook["metadata"], *(cell["metadata"] for cell in code_cells(notebook))]
    place = data.draw(st.sampled_from(places))
    assume(place.get("execution") != {"timeout": timeout})
    place["execution"] = {"timeout": timeout}
    assert key_of(notebook) != before


@given(notebooks(least=2))
def test_the_order_of_cells_changes_the_key(notebook: Any) -> None:
    before = key_of(notebook)
    *rest, last, least = notebook["cells"]
    assume(key_of({**notebook, "cells": [last]}) != key_of({**notebook, "cells": [least]}))
    assert key_of({**notebook, "cells": [*rest, least, last]}) != before


@given(notebooks(least=1))
def test_a_cell_more_or_less_changes_the_key(notebook: Any) -> None:
    before = key_of(notebook)
    notebook["cells"].remove(code_cells(notebook)[0])
    assert key_of(notebook) != before


def test_another_place_kernel_environment_or_rule_is_another_key() -> None:
    base = ("a.ipynb", "code", "python3", "environment", "")
    keys = {result_key(*base)}
    for number, other in enumerate(["b.ipynb", "edoc", "ir", "surroundings", "outputs"]):
        keys.add(result_key(*base[:number], other, *base[number + 1 :]))
    assert len(keys) == 6


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[]", b"{}", b"null", b'{"nbformat": 3, "worksheets": []}',
     b'{"nbformat": 4}', b'{"nbformat": 4, "cells": [1]}', b'{"nbformat": 4, "cells": null}',
     b'{"nbformat": 4, "cells": [{"cell_type": "code", "metadata": null, "source": ""}]}',
     b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}',
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_plain_notebook_has_no_key(raw: bytes) -> None:
    assert read_code(raw) is None


def test_names_imports_and_paths_are_found_in_the_code() -> None:
    source = (
        "import numpy as np, helpers.io\nfrom tools.a import b\n    import late\n"
        "open('../data/x.csv'); open('/srv/y'); os.environ['TOKEN']  # import nothing\n"
    )
    code = code_of({"nbformat": 4, "cells": [{"cell_type": "code", "source": source}]})
    assert code.imports() >= {"numpy", "tools", "late"}
    assert "nothing" not in code.imports()
    assert code.paths_outside() == ("../data/x.csv", "/srv/y")
    assert "TOKEN" in code.words()


@given(st.text(), st.text(st.characters(exclude_categories=()), max_size=50))
def test_whatever_looks_like_a_path_can_be_asked_about(before: str, name: str) -> None:
    source = f"{before}'/{name}' /{name}"
    code = code_of({"nbformat": 4, "cells": [{"cell_type": "code", "source": source}]})
    for path in code.paths_outside():
        os.path.isfile(os.path.realpath(path))


limits = st.builds(
    Limits,
    time=st.none() | st.floats(1, 100),
    cell_time=st.none() | st.floats(1, 100),
    memory=st.none() | st.integers(1, 100),
)


@given(limits, limits)
def test_a_pass_holds_for_other_limits_only_where_none_is_smaller(
    held: Limits, now: Limits
) -> None:
    def size(value: float | None) -> float:
        return float("inf") if value is None else value

    assert covers(held, now) == all(
        size(getattr(now, name)) >= size(getattr(held, name))
        for name in ("time", "cell_time", "memory")
    )


@given(limits)
def test_a_pass_holds_for_its_own_limits_and_for_none(held: Limits) -> None:
    assert covers(held, held)
    assert covers(held, Limits())
