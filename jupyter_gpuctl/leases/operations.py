"""What the lease routes take and give, for the OpenAPI document."""

from __future__ import annotations

from ..api.routes import Header, Operation, Query
from .requests import KEY_HEADER, MAX_KEY
from .wire import (
    AuditsAnswer,
    LeaseAnswer,
    LeasePatchBody,
    LeaseRequestBody,
    LeasesAnswer,
    PreviewAnswer,
    QuotaAnswer,
)

_KEY = Header(
    KEY_HEADER, "Any text of one's own: the same request with the same key is made once", MAX_KEY
)
_LIMIT = Query("limit", int, "At most so many items, up to 1000; left out: 100")
_CURSOR = Query("cursor", str, "Where to go on: `next` of an earlier answer")

QUOTA = (Operation("GET", "The caller's limits, what is used, what is left", QuotaAnswer),)
LEASES = (
    Operation(
        "GET",
        "All live leases, the queue after the held ones; or the caller's ended ones",
        LeasesAnswer,
        query=(
            Query("status", str, "`live` where left out", ("live", "ended")),
            _LIMIT,
            _CURSOR,
        ),
        errors=(400, 403, 503),
    ),
    Operation(
        "POST",
        "Ask for GPUs; with `dry_run` only say what would become of it",
        PreviewAnswer,
        body=LeaseRequestBody,
        headers=(_KEY,),
        created=LeaseAnswer,
        errors=(400, 403, 409, 422, 503),
    ),
)
ONE_LEASE = (
    Operation("GET", "One lease", LeaseAnswer, errors=(403, 404, 503)),
    Operation(
        "PATCH",
        "Extend it, accept the offer, or keep it though nothing runs on it",
        LeaseAnswer,
        body=LeasePatchBody,
        headers=(_KEY,),
        errors=(400, 403, 404, 409, 422, 503),
    ),
    Operation(
        "DELETE",
        "Give it back, leave the queue, decline the offer; or, as an administrator, revoke it",
        LeaseAnswer,
        query=(Query("reason", str, "Told to its owner where somebody else ends it"),),
        errors=(400, 403, 404, 409, 503),
    ),
)
AUDIT = (
    Operation(
        "GET",
        "Who did what to whom, newest first: one's own rows, or all for an administrator",
        AuditsAnswer,
        query=(_LIMIT, _CURSOR),
        errors=(400, 403, 503),
    ),
)
