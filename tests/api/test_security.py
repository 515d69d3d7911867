"""Who may call: every route of the table, so that a new one can't be forgotten."""

import json

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError
from traitlets import List

from jupyter_gpuctl.api.base import GpuCtlHandler
from jupyter_gpuctl.routes import ROUTES

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
NOBODYS = "00000000"
"""An id that nothing has."""
PATHS = [route.path.replace("{id}", NOBODYS) for route in ROUTES]
READ = {path for path, r in zip(PATHS, ROUTES, strict=True) if r.operations[0].method == "GET"}


class DenyGpuctl(Authorizer):
    """Allows everything but ``gpuctl``, and remembers what it was asked."""

    asked = List()

    def is_authorized(self, handler, user, action, resource):
        self.asked.append((action, resource))
        return resource != "gpuctl"


async def refusal(fetch, *parts, **options):
    with pytest.raises(HTTPClientError) as refused:
        await fetch(*parts, allow_nonstandard_methods=True, **options)
    return refused.value.code, refused.value.response.body


def test_every_route_stands_on_the_handler_that_authenticates_and_authorises():
    for route in ROUTES:
        assert issubclass(route.handler, GpuCtlHandler), route.path
        assert route.handler.prepare is GpuCtlHandler.prepare, route.path
        assert route.handler.auth_resource == "gpuctl", route.path
        verbs = {operation.method for operation in route.operations}
        defined = {m for m in METHODS if m.lower() in vars(route.handler)}
        assert verbs == defined, f"{route.path}: the table and the handler differ"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
async def test_nobody_gets_in_without_logging_in(
    api, jp_base_url, http_server_client, path, method
):
    for headers in ({}, {"Authorization": "token wrong"}):
        with pytest.raises(HTTPClientError) as refused:
            await http_server_client.fetch(
                f"{jp_base_url}gpuctl/api/v1/{path}",
                method=method,
                headers=headers,
                allow_nonstandard_methods=True,
            )
        assert refused.value.code == 403
        if method != "HEAD":
            assert set(json.loads(refused.value.response.body)) == {
                "code",
                "message",
                "detail",
                "hint",
            }


class TestAnAuthorizerThatSaysNo:
    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        jp_server_config["ServerApp"]["authorizer_class"] = DenyGpuctl
        return jp_server_config

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("method", METHODS)
    async def test_is_asked_on_every_route_and_obeyed(
        self, api, jp_serverapp, jp_fetch, path, method
    ):
        status, body = await refusal(jp_fetch, "gpuctl/api/v1", path, method=method)
        assert status == 403
        action = "read" if method in ("GET", "HEAD") else "write"
        assert jp_serverapp.authorizer.asked[-1] == (action, "gpuctl")
        if method != "HEAD":
            assert json.loads(body)["code"] == "auth.forbidden"
            assert action in json.loads(body)["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_page_elsewhere_can_not_ride_on_the_login_cookie(
    api, jp_serverapp, jp_base_url, http_server_client, path, method
):
    """Another site's request carries the cookie, but not our referer nor our XSRF token."""
    cookie = await login_cookie(jp_serverapp, http_server_client, jp_base_url)
    url = f"{jp_base_url}gpuctl/api/v1/{path}"
    same = await http_server_client.fetch(
        url,
        headers={"Cookie": cookie, "Referer": http_server_client.get_url("/lab")},
        raise_error=False,
    )
    assert same.code == (405 if path not in READ else 404 if NOBODYS in path else 200)
    for headers in (
        {"Cookie": cookie, "Referer": "https://elsewhere.example/"},
        {"Cookie": cookie, "Origin": "https://elsewhere.example"},
        {"Cookie": cookie},
    ):
        with pytest.raises(HTTPClientError) as refused:
            await http_server_client.fetch(
                url, method=method, headers=headers, allow_nonstandard_methods=True
            )
        assert refused.value.code in (403, 404)
        code = json.loads(refused.value.response.body)["code"]
        assert code.startswith(("auth.", "request.")), "the authority was asked"


async def login_cookie(serverapp, client, base_url) -> str:
    """The cookies that a browser holds after it has opened the URL with the token."""
    answer = await client.fetch(f"{base_url}api/status?token={serverapp.identity_provider.token}")
    return "; ".join(c.split(";")[0] for c in answer.headers.get_list("Set-Cookie"))
