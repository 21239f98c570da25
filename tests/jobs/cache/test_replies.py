"""The journal of replies: nothing that was answered is lost, whatever happens to the writer."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cache.replies import Journal, Written, reply_key


def test_a_reply_is_there_for_the_next_run(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append("k", Written('two\nlines, "quotes" and 文', "stop"))
    assert Journal(tmp_path).get("k") == Written('two\nlines, "quotes" and 文', "stop")
    assert Journal(tmp_path).get("other") is None
    assert "k" in Journal(tmp_path)


def test_a_writer_that_is_killed_loses_nothing_that_it_stored(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom jobs.cache.replies import Journal, Written\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for i in range(50): journal.append(f'k{i}', Written(str(i), 'stop'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(Journal(tmp_path)) == 50


@pytest.mark.parametrize(
    "tail", ['{"key": "torn", "reply": "x', '{"key": "torn", "reply": "x", "finish_reason": "stop"}']
)
def test_a_torn_last_line_is_ignored_and_what_stands_before_is_kept(tmp_path, tail):
    with Journal(tmp_path) as journal:
        journal.append("whole", Written("a", "stop"))
    path = next(tmp_path.glob("*.jsonl"))
    path.write_text(path.read_text() + tail)
    again = Journal(tmp_path)
    assert len(again) == 1
    with again:
        again.append("torn", Written("b", "stop"))  # goes into a file of its own, not behind the torn line
    assert Journal(tmp_path).get("torn") == Written("b", "stop")


def test_damaged_lines_cost_no_more_than_themselves(tmp_path):
    good = '{"key": "k", "reply": "r", "finish_reason": "stop"}'
    (tmp_path / "a.jsonl").write_bytes(b'\xff\xfe\n[]\n{"key": 1}\n\n' + good.encode() + b"\n")
    assert len(Journal(tmp_path)) == 1


def test_what_no_table_can_hold_is_kept_in_a_form_that_it_can(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append("half", Written("what is half a \ud83d sign", "stop"))
        journal.append("pair", Written("a \ud83d\udc1d", "stop"))
    for found in (journal, Journal(tmp_path)):
        assert found.get("half") == Written("what is half a \N{REPLACEMENT CHARACTER} sign", "stop")
        assert found.get("pair") == Written("a \U0001f41d", "stop")


def test_a_line_of_an_earlier_day_ends_no_build_whatever_it_holds(tmp_path):
    lines = [
        '{"key": "half", "reply": "\\udc1d", "finish_reason": "\\ud83d"}',
        '{"key": "none", "reply": null, "finish_reason": null}',
        '{"key": "list", "reply": ["a"], "finish_reason": "stop"}',
        '{"key": "number", "reply": 1, "finish_reason": "stop"}',
        "[" * 100_000,
        '{"key": "deep", "reply": ' + "[" * 100_000,
    ]
    (tmp_path / "old.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "folder.jsonl").mkdir()
    found = Journal(tmp_path)
    assert found.get("half") == Written("\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}")
    assert found.get("none") == Written("", "")
    assert len(found) == 2


def test_two_writers_do_not_disturb_each_other(tmp_path):
    with Journal(tmp_path) as one, Journal(tmp_path) as two:
        for i in range(20):
            one.append(f"one{i}", Written("a", "stop"))
            two.append(f"two{i}", Written("b", "stop"))
    assert len(Journal(tmp_path)) == 40


def test_when_two_writers_asked_the_same_every_reader_sees_the_same_reply(tmp_path):
    line = '{{"key": "k", "reply": "{}", "finish_reason": "stop"}}\n'
    for order in ("ab", "ba"):
        folder = tmp_path / order
        folder.mkdir()
        for name, reply in zip(("1", "2"), order, strict=True):
            (folder / f"{name}.jsonl").write_text(line.format(reply))
        assert Journal(folder).get("k") == Written("a", "stop")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_text_comes_back_as_it_was(tmp_path_factory, replies):
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder) as journal:
        for key, reply in replies.items():
            journal.append(key, Written(reply, "stop"))
    found = Journal(folder)
    assert {key: found.get(key).reply for key in replies} == replies


def test_the_key_holds_what_decides_the_reply_and_nothing_else():
    base = {"max_tokens": 8, "temperature": 0.0, "seed": 1, "stop": ["\n"]}
    key = reply_key("prompt", **base)
    assert key == reply_key("prompt", **base | {"seed": 2})  # greedy: no draw
    others = [
        base | change
        for change in (
            {"max_tokens": 9},
            {"temperature": 0.5},
            {"temperature": 0.5, "seed": 2},
            {"stop": []},
            {"penalty": 1.1},
        )
    ]
    keys = {reply_key("prompt", **each) for each in others} | {reply_key("other", **base), key}
    assert len(keys) == len(others) + 2
