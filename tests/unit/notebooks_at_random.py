"""Notebooks that nbformat finds valid, with what course checks look for scattered in them."""

from __future__ import annotations

from typing import Any

import nbformat
from hypothesis import strategies as st

BITS = [
    "### BEGIN SOLUTION",
    "### END SOLUTION",
    "### BEGIN HIDDEN TESTS",
    "### END HIDDEN TESTS",
    "# BEGIN SOLUTION",
    "# END SOLUTION",
    "x = 1 # SOLUTION",
    "# BEGIN QUESTION",
    "# END QUESTION",
    "# BEGIN IGNORE",
    "# END IGNORE",
    "[a](b.md) ![c](attachment:d.png) [e](#f)",
    "[[[((]]](",
    "<a id='f'></a><img src='g.png'>",
    "```\n[x](y.md)",
    "$a_{[b](c)}$",
    "# f",
    "import numpy as np",
    "np.load('x.npy')",
    "open('y.txt')",
    "%%bash",
    "%time f()",
    "!ls",
    "input()",
    "def f(:",
    "/home/anna/x",
    "anna@posteo.de",
    "a\rb\bc\x1b[31m",
    "0x7f0011223344",
    "took 3.4 s",
    "\ud800",
    "\x00",
    "[00:12<00:34, 5.6it/s]",
]
texts = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=20)), max_size=6).map("\n".join)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_data = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "text/latex", "image/png", "application/x"]),
    texts,
    max_size=3,
)
outputs = st.one_of(
    st.fixed_dictionaries(
        {
            "output_type": st.just("stream"),
            "name": st.sampled_from(["stdout", "stderr"]),
            "text": texts,
        }
    ),
    st.fixed_dictionaries(
        {"output_type": st.just("display_data"), "data": _data, "metadata": st.just({})}
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("execute_result"),
            "data": _data,
            "metadata": st.just({}),
            "execution_count": st.one_of(st.none(), st.integers(0, 9)),
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("error"),
            "ename": texts,
            "evalue": texts,
            "traceback": st.lists(texts, max_size=2),
        }
    ),
)
_marks = st.fixed_dictionaries(
    {}, optional={flag: st.booleans() for flag in ("grade", "solution", "locked", "task")}
)
_metadata = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.lists(
            st.sampled_from(["raises-exception", "skip-execution", "x"]), unique=True, max_size=2
        ),
        "nbgrader": _marks,
        "anything": json_values,
    },
)
_cells = st.one_of(
    st.fixed_dictionaries(
        {
            "cell_type": st.just("code"),
            "source": texts,
            "metadata": _metadata,
            "outputs": st.lists(outputs, max_size=2),
            "execution_count": st.one_of(st.none(), st.integers(0, 9)),
        }
    ),
    st.fixed_dictionaries(
        {
            "cell_type": st.sampled_from(["markdown", "raw"]),
            "source": texts,
            "metadata": _metadata,
        },
        optional={"attachments": st.just({"d.png": {"image/png": "aGk="}})},
    ),
)


@st.composite
def notebooks(draw: st.DrawFn) -> Any:
    """A notebook as nbformat reads it."""
    cells = draw(st.lists(_cells, max_size=6))
    for cell in cells:
        cell["id"] = draw(st.sampled_from(["a", "b", "c"]))
    metadata: dict[str, Any] = draw(st.dictionaries(st.text(max_size=5), json_values, max_size=2))
    metadata = {key: value for key, value in metadata.items() if key not in _SHAPED}
    if draw(st.booleans()):
        language = draw(st.sampled_from(["python", "R", "klingon"]))
        metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": language}
    return nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    )


_SHAPED = {"kernelspec", "language_info", "title", "authors", "orig_nbformat"}
