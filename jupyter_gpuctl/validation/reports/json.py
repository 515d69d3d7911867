"""The JSON report: the values of ``model`` as they are."""

from __future__ import annotations

import json

from ...core.encoding import to_json
from ..model import Validation


def render(validation: Validation) -> str:
    """The report as text, for people's diffs as much as for programs."""
    return json.dumps(to_json(validation), indent=2, allow_nan=False) + "\n"
