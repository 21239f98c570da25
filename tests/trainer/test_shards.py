import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import RecipeError, ShardError
from schemas.shards import NATIVE_IDS
from trainer.shards import Dataset


def test_a_row_group_is_a_batch_read_in_order_of_position(publish, row, tmp_path):
    root = publish(tmp_path / "d", {1: [[row("a", "x"), row("b", "y")], [row("c", "z")]]})

    shards = Dataset(str(root)).stage(1)

    assert [[example.query for example in shards.read(number)] for number in range(len(shards))] == [["a", "b"], ["c"]]
    assert shards.rows == 3


def test_each_epoch_has_an_order_of_its_own_that_covers_every_batch_once(dataset):
    shards = Dataset(str(dataset)).stage(1)

    orders = [shards.order(seed, epoch) for seed, epoch in [(13, 0), (13, 1), (14, 0)]]

    assert all(sorted(order) == list(range(len(shards))) for order in orders)
    assert orders[0] == shards.order(13, 0)
    assert len({tuple(order) for order in orders}) == 3


def flip_a_byte(root, sign):
    file = root / "stage1" / "part-0.parquet"
    raw = bytearray(file.read_bytes())
    raw[40] ^= 1
    file.write_bytes(raw)


def truncate(root, sign):
    file = root / "stage1" / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:-30])
    sign(root)  # so that the checksum agrees and Parquet itself must notice


def empty_a_file(root, sign):
    (root / "stage1" / "part-0.parquet").write_bytes(b"")
    sign(root)


def damage_a_page(root, sign):
    file = root / "stage1" / "part-0.parquet"
    raw = bytearray(file.read_bytes())
    raw[4:400] = bytes(396)
    file.write_bytes(raw)
    sign(root)


def remove_a_file(root, sign):
    (root / "stage1" / "part-0.parquet").unlink()


def garble_the_manifest(root, sign):
    (root / "manifest.json").write_text("{")


def forget_the_version(root, sign):
    manifest = json.loads((root / "manifest.json").read_text())
    del manifest["version"]
    (root / "manifest.json").write_text(json.dumps(manifest))


def lead_out(root, sign):
    text = (root / "manifest.json").read_text()
    (root / "manifest.json").write_text(text.replace("stage1/part-0.parquet", "../../elsewhere.parquet"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lead_out, "'../../elsewhere.parquet' is no plain path below it"),
        (flip_a_byte, "stage1/part-0.parquet must match its manifest"),
        (truncate, "stage1/part-0.parquet must be a Parquet file"),
        (empty_a_file, "stage1/part-0.parquet must be a Parquet file"),
        (damage_a_page, "row group 0 cannot be decoded"),
        (remove_a_file, "stage1/part-0.parquet cannot be read"),
        (garble_the_manifest, "manifest.json must be a dataset manifest"),
        (forget_the_version, "manifest.json must be a dataset manifest"),
    ],
)
def test_damage_is_named(publish, sign, row, tmp_path, damage, says):
    root = publish(tmp_path / "d", {1: [[row(f"q{n}", f"text {n} " * 20) for n in range(9)]] * 2})
    damage(root, sign)

    with pytest.raises(ShardError, match=says):
        Dataset(str(root)).stage(1).read(0)


def test_an_empty_stage_and_a_missing_dataset_are_the_callers_fault(publish, row, tmp_path):
    root = publish(tmp_path / "d", {1: [[row("a", "x")]]})

    with pytest.raises(RecipeError, match="stage 2 of dataset toy@v1 must hold at least one batch"):
        Dataset(str(root)).stage(2)
    with pytest.raises(RecipeError, match="dataset must be a published dataset"):
        Dataset(str(tmp_path / "nowhere"))


def test_a_row_whose_negatives_do_not_match_their_ids_is_refused(publish, row, tmp_path):
    root = publish(tmp_path / "d", {2: [[row("a", "x", ["n"], negative_ids=["one", "two"])]]})

    with pytest.raises(ShardError, match="one text per negative id, got 2 ids and 1 texts"):
        Dataset(str(root)).stage(2).read(0)


def test_the_same_shards_load_as_a_hugging_face_dataset(dataset, tmp_path):
    datasets = pytest.importorskip("datasets")

    loaded = datasets.load_dataset("parquet", data_dir=str(dataset / "stage1"), split="train", cache_dir=str(tmp_path))

    assert len(loaded) == 48


def test_a_version_from_before_own_ids_stood_in_shards_is_read_as_ever(publish, row, sign, tmp_path):
    root = publish(tmp_path / "d", {1: [[row("q", "p")]]})
    file = root / "stage1" / "part-0.parquet"
    pq.write_table(pq.read_table(file).drop_columns(list(NATIVE_IDS)), file)
    sign(root)

    (example,) = Dataset(str(root)).stage(1).read(0)

    assert (example.query, example.positive) == ("q", "p")


def test_columns_that_the_trainer_does_not_know_are_passed_over(publish, row, tmp_path, sign):
    root = publish(tmp_path / "d", {1: [[row("a", "x")], [row("b", "y")]]})
    for file in root.rglob("*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.append_column("of_tomorrow", pa.array([["z"]] * len(table))), file)
    sign(root)

    assert Dataset(str(root)).stage(1).read(0)[0].query == "a"


@pytest.mark.parametrize("path", ["stage1/../../other.parquet", "/etc/passwd", "stage1/"])
def test_a_manifest_that_leads_out_of_the_dataset_is_refused(publish, row, tmp_path, path):
    root = publish(tmp_path / "d", {1: [[row("a", "x")]]})
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    (root / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ShardError, match="is no plain path below it"):
        Dataset(str(root))
