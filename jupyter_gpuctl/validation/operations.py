"""What the validations' routes take and give, for the OpenAPI document."""

from __future__ import annotations

from ..api.routes import Operation, Query
from .wire import ReportFormat, ValidationAnswer, ValidationBody, ValidationsAnswer

VALIDATIONS = (
    Operation(
        "GET",
        "One's own validations of this server, the newest first; all, for an administrator",
        ValidationsAnswer,
    ),
    Operation(
        "POST",
        "Validate notebooks and folders, as `jupyter gpuctl validate` does",
        None,
        body=ValidationBody,
        created=ValidationAnswer,
        errors=(400, 403, 404, 422, 503),
    ),
)
ONE_VALIDATION = (
    Operation("GET", "How far it is, and the verdicts", ValidationAnswer, errors=(403, 404, 503)),
    Operation(
        "DELETE",
        "Stop it, and keep what is done; one that has ended is forgotten",
        ValidationAnswer,
        errors=(403, 404, 503),
    ),
)
REPORT = (
    Operation(
        "GET",
        "The report of one that is done, or was cancelled",
        str,
        query=(Query("format", str, "`html` where left out", tuple(ReportFormat)),),
        errors=(400, 403, 404, 409, 503),
        media=("text/html", "application/json", "application/xml", "text/markdown"),
    ),
)
