"""The page over HTTP: texts are shown as text, and nobody but the person on it can answer."""

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from jobs.store.reviews import read_reviews
from jobs.views.review.server import make_app
from tests.jobs.views.review.build import MARKUP, make_build, open_session

TOKEN = "t0ken-of-a-test"
BASE = "http://127.0.0.1:8000"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def place(tmp_path):
    return make_build(tmp_path)


@pytest.fixture
def client(place):
    return open_client(place)


def open_client(place):
    app = make_app(open_session(place.path), TOKEN)
    return TestClient(app, base_url=BASE, follow_redirects=False)


def post(client, path, body, **headers):
    return client.post(f"/{TOKEN}/{path}", content=body, headers=FORM | headers)


def text_of(page, name):
    return unescape(re.search(rf'id="{name}"[^>]*>(.*?)</(?:div|dd|span|p)>', page, re.DOTALL).group(1))


def number_of(page):
    return int(re.search(r'data-number="(\d+)"', page).group(1))


def test_texts_are_shown_as_text(client):
    page = client.get(f"/{TOKEN}/").text
    assert MARKUP not in page
    assert "<script>document" not in page
    assert "<img" not in page
    assert MARKUP in text_of(page, "query")
    assert MARKUP in text_of(page, "candidate")
    for path in ("ledger", "pair?query_id=q1&doc_id=c1-7"):
        page = client.get(f"/{TOKEN}/{path}").text
        assert "<script>document" not in page
        assert "<img" not in page
        assert MARKUP in unescape(page)


def test_filters_that_a_stranger_wrote_into_a_link_are_escaped_too(client):
    page = client.get(f"/{TOKEN}/ledger", params={"domain": MARKUP, "page": "<b>"}).text
    assert "<script>document" not in page
    assert "No pair of the ledger is like that." in page


def test_every_answer_has_its_headers_and_names_nothing_from_elsewhere(client):
    for path in (f"/{TOKEN}/", f"/{TOKEN}/ledger", f"/{TOKEN}/review.js", "/", f"/{TOKEN}/none"):
        found = client.get(path)
        policy = found.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-store"
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", found.text)


def test_a_session_over_http_goes_on_after_a_reload_and_undoes(client, place):
    for number in range(5):
        page = client.get(f"/{TOKEN}/").text
        assert number_of(page) == number
        found = post(client, "answer", f"number={number}&answer=no")
        assert (found.status_code, found.headers["location"]) == (303, "./")
    assert post(client, "answer", "number=2&answer=yes").status_code == 303  # of an old tab: it has an answer
    assert len(read_reviews(place.store)) == 5
    assert text_of(client.get(f"/{TOKEN}/").text, "progress") == "5 of 40"
    assert post(client, "undo", "").status_code == 303
    page = open_client(place).get(f"/{TOKEN}/").text
    assert (number_of(page), text_of(page, "progress")) == (4, "4 of 40")


def test_the_estimate_is_told_and_moves(client):
    before = text_of(client.get(f"/{TOKEN}/").text, "delivered")
    assert re.fullmatch(r"between \d+ and \d+ %; review 100 pairs to know", before)
    for number in range(40):
        post(client, "answer", f"number={number}&answer=no")
    page = client.get(f"/{TOKEN}/").text
    assert 'id="done"' in page
    after = text_of(page, "delivered")
    assert re.match(r"between \d+ and \d+ %, by \d+ reviewed pairs", after)
    assert int(after.split()[3]) < int(before.split()[3])
    assert text_of(page, "consistency") == "2 of 2 answers the same"
    assert text_of(page, "checks") == "2 of 4 as known"  # no to everything is wrong of the known positives


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8000"}, 421),  # DNS rebinding
        ({"host": "127.0.0.1.evil.example:8000"}, 421),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9000"}, 403),  # another server of this machine
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-length": "5000"}, 413),
        ({"content-length": "-1"}, 413),
        ({"transfer-encoding": "chunked", "content-length": ""}, 413),
    ],
)
def test_what_another_page_asks_for_is_refused(client, place, headers, status):
    assert post(client, "answer", "number=0&answer=no", **headers).status_code == status
    assert read_reviews(place.store) == ()


def test_reading_needs_the_host_and_the_token_too(client):
    assert client.get(f"/{TOKEN}/", headers={"host": "evil.example"}).status_code == 421
    assert client.get(f"/{TOKEN}/", headers={"host": "localhost:8000"}).status_code == 200
    for path in ("/", "/other/", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/ledger", "//"):
        found = client.get(path)
        assert found.status_code == 404
        assert "what is" not in found.text


def test_our_own_page_may_answer(client, place):
    headers = {"origin": BASE, "sec-fetch-site": "same-origin"}
    assert post(client, "answer", "number=0&answer=unsure", **headers).status_code == 303
    assert [each.answer for each in read_reviews(place.store)] == ["unsure"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("answer", "number=0&answer=maybe", 400),
        ("answer", "number=-1&answer=no", 400),
        ("answer", "number=1e3&answer=no", 400),
        ("answer", "answer=no", 400),
        ("answer", "number=99999999&answer=no", 400),
        ("answer", "number=40&answer=no", 404),
        ("answer", "%ff%fe=&&&;;", 400),
        ("ledger/answer", "query_id=q1&doc_id=c1-7&answer=withdrawn", 400),
        ("ledger/answer", "query_id=q1&doc_id=../../etc/passwd&answer=no", 404),
        ("ledger/answer", "answer=no", 404),
    ],
)
def test_what_is_no_answer_is_refused_in_words(client, place, path, body, status):
    found = post(client, path, body)
    assert found.status_code == status
    assert found.headers["content-type"].startswith("text/plain")
    assert read_reviews(place.store) == ()


@pytest.mark.parametrize("method", ["get", "put", "delete", "options"])
def test_only_posts_change_anything(client, place, method):
    assert getattr(client, method)(f"/{TOKEN}/answer?number=0&answer=no").status_code in (403, 405, 413)
    assert read_reviews(place.store) == ()


def test_an_answer_that_could_not_be_kept_says_so(client, place):
    (place.path / "reviews").write_text("a file where a folder should be")
    found = post(client, "answer", "number=0&answer=no")
    assert found.status_code == 500
    assert found.text.startswith("this was not kept: ")
    assert number_of(client.get(f"/{TOKEN}/").text) == 0


def test_the_ledger_is_read_by_filter_and_page_and_answered_there(client, place):
    def count(**filters):
        return re.search(
            r'id="found">([\d,]+) pairs, page (\d+) of (\d+)', client.get(f"/{TOKEN}/ledger", params=filters).text
        ).groups()

    assert count() == ("156", "1", "8")
    assert count(verdict="kept") == ("48", "1", "3")
    assert count(verdict="kept", domain="west") == ("16", "1", "1")
    assert count(verdict="kept", domain="west", retriever="bm25") == ("8", "1", "1")
    assert count(reason="likely_positive", page="2") == ("84", "2", "5")
    assert count(reason="none: it is a negative") == ("48", "1", "3")
    assert count(reason="likely_positive", page="9999999") == ("84", "5", "5")
    page = client.get(f"/{TOKEN}/ledger", params={"reason": "likely_positive", "domain": "east"}).text
    assert "likely_positive (judge.tolerance)" in page
    assert "P(false negative) 0.460, vetoed above 0.100" in page
    assert "bm25 at rank 12" in page
    assert 'rel="next" href="ledger?domain=east&amp;reason=likely_positive&amp;page=2"' in page
    body = "query_id=q1&doc_id=c1-7&answer=yes&domain=east&verdict=vetoed&page=2"
    found = post(client, "ledger/answer", body)
    assert (found.status_code, found.headers["location"]) == (303, "../ledger?domain=east&verdict=vetoed&page=2")
    assert [each.purpose for each in read_reviews(place.store)] == ["browsed"]
    assert "yes by person:ana" in client.get(f"/{TOKEN}/pair", params={"query_id": "q1", "doc_id": "c1-7"}).text
    assert client.get(f"/{TOKEN}/pair?query_id=q1&doc_id=none").status_code == 404
