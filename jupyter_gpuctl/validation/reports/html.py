"""One HTML file that needs nothing else. The only importer of jinja2.

Every value goes through the escaping of the template. What might get through all the same could do
nothing: the policy in the file allows one script and one style, by their hashes, and no address.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from ..model import Validation
from .view import view_of


def render(validation: Validation) -> str:
    """The report as HTML."""
    style, script = _asset("report.css"), _asset("report.js")
    return _template().render(
        view=view_of(validation),
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("report.html.jinja"))


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As Content-Security-Policy names what may be inline."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
