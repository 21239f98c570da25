"""The review page: a server on this machine alone, for one reviewer.

Other pages in the same browser are the danger, and so are the texts. So the path holds a token that nobody can guess
and that no other server is sent; the Host must be ours, whatever name leads here (DNS rebinding); a request that
another page made is refused by its Origin; every value is escaped, and the content policy lets nothing run but our own
script. What comes in is bounded before it is read. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.views.report.page import make_environment
from jobs.views.review.browse import FILTERS, Filters, LedgerBrowser
from jobs.views.review.session import MOST_SHOWN, Session
from jobs.views.stories import tell_pair
from pipeline.judge.rate import in_words
from schemas.errors import PairwrightError
from schemas.reviews import ANSWERS

HOST = "127.0.0.1"
MOST_BYTES = 4096  # of what is posted
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_TEMPLATES = Path(__file__).with_name("templates")
_STATIC = {"review.css": "text/css", "review.js": "text/javascript"}
_ENVIRONMENT = make_environment(_TEMPLATES)
_ENVIRONMENT.filters |= {
    "bounded": lambda text: text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n\n(cut here)",
}
_ENVIRONMENT.globals |= {"in_words": in_words}


def make_app(session: Session, token: str) -> ASGIApp:
    """Return the page of a session below ``/<token>/``."""
    page = _Page(session)
    routes = [
        Route(f"/{token}/", page.ask, methods=["GET"]),
        Route(f"/{token}/answer", page.answer, methods=["POST"]),
        Route(f"/{token}/undo", page.undo, methods=["POST"]),
        Route(f"/{token}/ledger", page.ledger, methods=["GET"]),
        Route(f"/{token}/ledger/answer", page.browse, methods=["POST"]),
        Route(f"/{token}/pair", page.pair, methods=["GET"]),
        *(Route(f"/{token}/{name}", _file(name, kind), methods=["GET"]) for name, kind in _STATIC.items()),
    ]
    return _Guard(Starlette(routes=routes, exception_handlers={PairwrightError: _tell_failure}), token)


def serve(session: Session, port: int, say: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted; port 0 takes a free one. Raises: OSError where the port is taken."""
    token = secrets.token_urlsafe(24)
    with socket.create_server((HOST, port)) as listener:
        say(f"http://{HOST}:{listener.getsockname()[1]}/{token}/")
        config = uvicorn.Config(
            make_app(session, token),
            log_config=None,  # uvicorn's own would close every handler that the process has
            log_level="critical",
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


class _Page:
    """The answers to requests that passed the guard."""

    def __init__(self, session: Session) -> None:
        self._session, self._browser = session, LedgerBrowser(session.pool)

    def ask(self, _: Request) -> Response:
        number = self._session.current()
        return _draw(
            "question.html",
            shown=None if number is None else self._session.show(number),
            known=self._session.standing(),
            reviewer=self._session.reviewer,
        )

    async def answer(self, request: Request) -> Response:
        given = await _read_form(request)
        number, answer = given.get("number", ""), given.get("answer", "")
        if answer not in ANSWERS or not (number.isascii() and number.isdigit() and len(number) < 8):
            return PlainTextResponse("an answer must have the number of a question and be yes, no or unsure", 400)
        if int(number) >= len(self._session.questions):
            return PlainTextResponse(f"there is no question {number}", 404)
        await run_in_threadpool(self._session.answer, int(number), answer)
        return RedirectResponse("./", 303)

    async def undo(self, request: Request) -> Response:
        await _read_form(request)
        await run_in_threadpool(self._session.undo)
        return RedirectResponse("./", 303)

    def ledger(self, request: Request) -> Response:
        page = self._browser.read(Filters.read(request.query_params), self._session)
        return _draw("ledger.html", page=page, names=FILTERS, answers=ANSWERS)

    async def browse(self, request: Request) -> Response:
        given = await _read_form(request)
        if given.get("answer") not in ANSWERS:
            return PlainTextResponse("an answer must be yes, no or unsure", 400)
        query, doc = given.get("query_id", ""), given.get("doc_id", "")
        try:
            await run_in_threadpool(self._session.browse, query, doc, given["answer"])
        except KeyError:
            return PlainTextResponse("there is no such pair in the ledger", 404)
        filters = Filters.read(given)
        return RedirectResponse(f"../ledger?{filters.link(filters.page)}", 303)

    def pair(self, request: Request) -> Response:
        query, doc = request.query_params.get("query_id", ""), request.query_params.get("doc_id", "")
        if not self._session.has(query, doc):
            return PlainTextResponse("there is no such pair in the ledger", 404)
        return _draw("pair.html", story=tell_pair(self._session.pool.ledger, query, doc))


class _Guard:
    """Lets through what a person on our own page asked for, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._prefix = app, f"/{token}/".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        refusal = self._refuse(scope)
        answer = self._app if refusal is None else refusal
        await answer(scope, receive, send_guarded)

    def _refuse(self, scope: Scope) -> Response | None:
        """Return what a request is refused with; None where it is one of ours."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "").lower()
        if host.rpartition(":")[0] not in (HOST, "localhost"):
            return PlainTextResponse(f"this page is at {HOST} alone", 421)
        path = bytes(scope.get("raw_path") or scope["path"].encode())
        if not hmac.compare_digest(path[: len(self._prefix)], self._prefix):
            return PlainTextResponse("the address must be the one that pairwright review printed", 404)
        if scope["method"] in ("GET", "HEAD"):
            return None
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site", "same-origin")
        if (origin is not None and origin.lower() != f"http://{host}") or site not in ("same-origin", "none"):
            return PlainTextResponse("answers are taken from the page itself alone", 403)
        length = headers.get(b"content-length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return PlainTextResponse(f"a request must say its length, and be at most {MOST_BYTES} bytes", 413)
        return None


async def _read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; the guard has held its length, and the server holds it to that."""
    body = (await request.body())[:MOST_BYTES]
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=16))


def _draw(template: str, **values: object) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(urlencode=urlencode, **values))


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    content = (_TEMPLATES / name).read_bytes()
    return lambda _: Response(content, media_type=kind)


def _tell_failure(_: Request, fault: Exception) -> Response:
    """Say what went wrong where it is seen: an answer that could not be kept is none."""
    return PlainTextResponse(f"this was not kept: {fault}", 500)
