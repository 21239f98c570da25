"""The review page in a real browser, without a window: keys, reload, resume, undo, and texts that stay texts.

`make test-review` fetches a Chromium and runs this; elsewhere $PAIRWRIGHT_BROWSER, or one on the PATH, is taken. The
browser is driven by its own protocol (CDP) over a web socket.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from jobs.store.reviews import read_reviews
from jobs.views.review.server import serve
from tests.jobs.views.review.build import MARKUP, make_build, open_session

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
FLAGS = ("--headless=shell", "--no-sandbox", "--no-zygote", "--disable-gpu", "--remote-debugging-port=0")
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    named = os.environ.get("PAIRWRIGHT_BROWSER")
    program = named or next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no browser on the PATH and none in PAIRWRIGHT_BROWSER; run: make test-review")
    profile = tmp_path_factory.mktemp("profile")
    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.PIPE, text=True
    )
    try:
        yield Browser(_find_page(process))
    finally:
        process.terminate()
        process.wait(20)


def _find_page(process: subprocess.Popen[str]) -> str:
    """Wait for the browser to say where it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"DevTools listening on (ws://\S+)", line):
            return found.group(1)
    raise AssertionError(f"the browser ended with {process.wait()}")


class Browser:
    """A browser with one tab; ``press`` presses a key as a person does."""

    def __init__(self, address: str) -> None:
        self._socket = connect(address, max_size=1 << 26)
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.asked: list[str] = []  # every address that the tab asked for
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while True:
            told = json.loads(self._socket.recv(timeout=PATIENCE))
            if told.get("method") == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return dict(told["result"])

    def read(self, script: str) -> Any:
        """Return what a script of the test finds on the page; None while the page is on its way."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def wait(self, script: str, wanted: Callable[[Any], bool]) -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if wanted(found := self.read(script)):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{script} is {found!r}")

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState + location.href", lambda said: said == f"complete{address}")

    def press(self, key: str) -> None:
        code = {"windowsVirtualKeyCode": ord(key.upper()), "code": f"Key{key.upper()}", "key": key, "text": key}
        self.call("Input.dispatchKeyEvent", type="keyDown", **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def text(self, name: str) -> str:
        return str(self.read(f"document.getElementById({name!r})?.textContent"))

    def progress(self, wanted: int) -> str:
        ready = "document.readyState === 'complete' ? document.getElementById('progress')?.textContent : null"
        return str(self.wait(ready, lambda said: said is not None and said.startswith(f"{wanted} of ")))

    def shoot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def served(path: Path) -> Iterator[str]:
    """Serve the page as the command does, on a free port; the thread ends with the tests."""
    said: list[str] = []
    session = open_session(path)
    threading.Thread(target=serve, args=(session, 0, said.append), daemon=True).start()
    until = time.monotonic() + PATIENCE
    while not said and time.monotonic() < until:
        time.sleep(0.02)
    yield said[0]


def low_and_high(text: str) -> tuple[int, int]:
    found = re.search(r"between (\d+) and (\d+) %", text)
    assert found, text
    return int(found.group(1)), int(found.group(2))


def test_thirty_answers_by_keyboard_reload_resume_and_undo(browser: Browser, tmp_path: Path) -> None:
    place = make_build(tmp_path)
    with served(place.path) as address:
        browser.asked.clear()
        browser.open(address)
        browser.progress(0)
        before = low_and_high(browser.text("delivered"))
        for number in range(30):
            browser.press("nnynu"[number % 5])
            browser.progress(number + 1)
        assert len(read_reviews(place.store)) == 30
        assert [each.answer for each in read_reviews(place.store)][:5] == ["no", "no", "yes", "no", "unsure"]
        after = low_and_high(browser.text("delivered"))
        assert after != before
        assert "reviewed pairs" in browser.text("delivered")

        browser.call("Page.reload")
        browser.progress(30)
        question = browser.read("document.getElementById('question').dataset.number")
        assert question == "30"
        browser.press("z")
        browser.progress(29)
        assert browser.read("document.getElementById('question').dataset.number") == "29"
        browser.press("y")
        browser.progress(30)
        assert [each.answer for each in read_reviews(place.store)][-2:] == ["withdrawn", "yes"]
        if folder := os.environ.get("PAIRWRIGHT_SHOTS"):
            browser.shoot(Path(folder) / "question.png")

    with served(place.path) as address:  # another process, another day
        browser.open(address)
        browser.progress(30)
        for number in range(30, 40):
            browser.press("n")
            browser.progress(number + 1)
        assert browser.text("done").startswith("All questions are answered")
        assert re.fullmatch(r"\d of 2 answers the same", browser.text("consistency"))
    assert {url.split("/")[2].split(":")[0] for url in browser.asked} == {"127.0.0.1"}


def test_the_estimate_moves_as_the_answers_say(browser: Browser, tmp_path: Path) -> None:
    for key, is_moved in (("n", lambda old, new: new[1] < old[1]), ("y", lambda old, new: new[0] > old[0] + 30)):
        place = make_build(tmp_path / key)
        with served(place.path) as address:
            browser.open(address)
            browser.progress(0)
            before = low_and_high(browser.text("delivered"))
            for number in range(30):
                browser.press(key)
                browser.progress(number + 1)
            assert is_moved(before, low_and_high(browser.text("delivered")))


def test_markup_in_texts_is_shown_as_text_and_nothing_of_it_runs(browser: Browser, tmp_path: Path) -> None:
    place = make_build(tmp_path)
    with served(place.path) as address:
        for path in ("", "ledger", "pair?query_id=q1&doc_id=c1-7"):
            browser.asked.clear()
            browser.open(address + path)
            assert MARKUP in str(browser.read("document.body.textContent"))
            assert browser.read("document.title") != "owned"
            assert browser.read("document.querySelectorAll('script, img, b > script').length") == 1  # our own script
            assert [url for url in browser.asked if not url.startswith(address)] == []
        browser.open(f"{address}ledger")
        if folder := os.environ.get("PAIRWRIGHT_SHOTS"):
            browser.shoot(Path(folder) / "ledger.png")
        browser.read("document.querySelector('article form button[value=yes]').click()")
        browser.wait("document.querySelectorAll('.said').length", lambda count: count == 1)
        assert [(each.answer, each.purpose) for each in read_reviews(place.store)] == [("yes", "browsed")]


def test_the_policy_of_the_page_stops_a_script_that_got_in_all_the_same(browser: Browser, tmp_path: Path) -> None:
    place = make_build(tmp_path)
    with served(place.path) as address:
        browser.open(address)
        browser.read(
            "document.body.insertAdjacentHTML('beforeend', `<img src=x onerror=\"document.title='owned'\">`);"
            "document.body.appendChild(Object.assign(document.createElement('script'),"
            " {textContent: 'document.title = `owned`'}));"
            "fetch('https://example.invalid/').catch(() => { document.body.dataset.stopped = 'yes'; })"
        )
        browser.wait("document.body.dataset.stopped", lambda said: said == "yes")
        assert browser.read("document.title") == "Review 0 of 40"


def test_another_page_of_the_browser_can_not_answer(browser: Browser, tmp_path: Path) -> None:
    place = make_build(tmp_path / "victim")
    other = make_build(tmp_path / "other")
    with served(place.path) as address, served(other.path) as elsewhere:
        browser.open(elsewhere)  # same machine, other port: another origin, which even knows the token
        browser.read(
            f"const form = document.createElement('form'); form.method = 'post'; form.action = '{address}answer';"
            "form.innerHTML = '<input name=number value=0><input name=answer value=no>';"
            "document.body.append(form); form.submit()"
        )
        time.sleep(1)
        assert read_reviews(place.store) == ()
        browser.open(address)
        browser.progress(0)
