"""What is sent to the kernels' routes: JSON read, or one line that says what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import InvalidInput

MOST = 200
"""Characters of a lease's id."""
_HINT = 'Send such as {"lease_id": "1f00c0ffee42"}; GET leases has the ids.'


def parse_attach(body: Mapping[str, Any]) -> str:
    """The id of the lease in the body of ``POST kernels/{id}/attach``.

    Raises:
        InvalidInput: it is missing or no text, or there is another field.
    """
    for name in body:
        if name != "lease_id":
            raise _invalid(name[:40], f"{name[:40]!r} is not a field of this request.")
    value = body.get("lease_id")
    if value is None:
        raise _invalid("lease_id", "lease_id is missing.")
    if not isinstance(value, str) or not value.strip() or len(value) > MOST:
        raise _invalid("lease_id", f"lease_id={repr(value)[:40]} is not the id of a lease.")
    return value.strip()


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput("request.invalid", message, hint=_HINT, detail={"name": name})
