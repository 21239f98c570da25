"""OpenLineage: every run of a stage begins and ends in the catalogue; without one nothing is told."""

import json
from pathlib import Path

import pytest

from jobs.runtime.openlineage import send_events
from schemas.table import Column, Table

THINGS = Table("things", 1, key=("id",), columns=(Column("id", "string", "its name"),))
MANIFEST = {
    "stage": "mine",
    "fingerprint": "f2",
    "outputs": {"things": {"rows": 3, "files": [{"path": "a", "bytes": 10}, {"path": "b", "bytes": 20}]}},
}


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Send to a file; return what arrived."""
    log = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    return lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_run_tells_what_it_read_and_wrote(tmp_path, events):
    with send_events("demo.mine", tmp_path.as_uri(), {"index/embeddings": "f1"}) as lineage:
        lineage.keep_outputs(MANIFEST, [THINGS])
    start, complete = events()
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["name"] == "demo.mine"
    (read,), (wrote,) = complete["inputs"], complete["outputs"]
    assert (read["name"], read["facets"]["version"]["datasetVersion"]) == ("index/embeddings", "f1")
    assert (wrote["name"], wrote["facets"]["version"]["datasetVersion"]) == ("mine/things", "f2")
    assert wrote["facets"]["schema"]["fields"][0]["name"] == "id"
    statistics = wrote["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (3, 30, 2)


@pytest.mark.parametrize(("error", "state"), [(ValueError("odd"), "FAIL"), (KeyboardInterrupt(), "ABORT")])
def test_a_run_that_fails_ends_in_the_catalogue_too(tmp_path, events, error, state):
    with pytest.raises(type(error)), send_events("demo.mine", tmp_path.as_uri(), {}):
        raise error
    assert [event["eventType"] for event in events()] == ["START", state]


def test_without_a_catalogue_nothing_is_told(tmp_path, monkeypatch):
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    with send_events("demo.mine", tmp_path.as_uri(), {}) as lineage:
        assert lineage is None


def test_a_catalogue_that_is_not_there_is_a_warning(tmp_path, monkeypatch, caplog):
    transport = {"type": "http", "url": "http://127.0.0.1:9", "timeout": 1, "retry": {"total": 0}}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    with send_events("demo.mine", tmp_path.as_uri(), {}) as lineage:
        lineage.keep_outputs(MANIFEST, [THINGS])
    assert "event COMPLETE of demo.mine was not sent" in caplog.text


def test_settings_that_openlineage_does_not_take_fail_no_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps({"type": "carrier pigeon"}))
    with send_events("demo.mine", tmp_path.as_uri(), {}) as lineage:
        assert lineage is None
    assert "events of demo.mine are not sent" in caplog.text


def test_a_manifest_that_cannot_be_described_fails_no_run(tmp_path, events, caplog):
    with send_events("demo.mine", tmp_path.as_uri(), {}) as lineage:
        lineage.keep_outputs({"outputs": {"things": {}}}, [THINGS])
    assert "COMPLETE of demo.mine was not sent" in caplog.text
