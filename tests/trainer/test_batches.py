import math

from trainer.batches import collate


def test_each_text_is_embedded_once(example):
    batch = collate([example("q", "a", ["n"]), example("q", "b", ["n"])], [[0], [0]])

    assert batch.queries == ["text q"]
    assert batch.documents == ["text a", "text b", "text n"]
    assert batch.query_row.tolist() == [0, 0]
    assert batch.negatives.tolist() == [[2], [2]]


def test_known_documents_and_other_positives_of_the_query_are_no_negatives(example):
    rows = [example("q", "a", known_ids=frozenset({"c"})), example("q", "b"), example("r", "c", ["n"])]

    batch = collate(rows, [[], [], [0]])

    assert batch.documents == ["text a", "text b", "text c", "text n"]
    assert batch.allowed.tolist() == [
        [False, False, False, True],
        [False, False, True, True],
        [True, True, False, True],
    ]


def test_a_document_known_under_another_id_with_the_same_text_is_no_negative(example):
    rows = [
        example("q", "a", known_ids=frozenset({"twin"})),
        example("r", "b", ["twin"], texts=["text c"]),
        example("s", "c"),
    ]

    batch = collate(rows, [[], [0], []])

    column = batch.documents.index("text c")
    assert [bool(allowed) for allowed in batch.allowed[:, column]] == [False, True, False]


def test_missing_negatives_and_teacher_scores_are_marked(example):
    rows = [example("q", "a", ["n", "m"], positive_teacher=0.8, negative_teacher=(0.1, -1.0)), example("r", "b")]

    batch = collate(rows, [[0, 1], []])

    assert batch.negatives.tolist() == [[2, 3], [-1, -1]]
    assert math.isclose(batch.negative_teacher[0, 0], 0.1, rel_tol=1e-6)
    assert batch.negative_teacher.isnan().tolist() == [[False, True], [True, True]]
    assert batch.positive_teacher.isnan().tolist() == [False, True]


def test_a_document_that_is_the_query_itself_is_no_negative_of_it(example):
    rows = [example("a", "b"), example("q", "a"), example("r", "c", ["s"], texts=["text q"])]

    batch = collate(rows, [[], [], [0]])

    assert batch.documents == ["text b", "text a", "text c", "text q"]
    assert batch.allowed.tolist() == [
        [False, False, True, True],  # "a" is a query here and the positive of another row
        [True, False, True, False],  # "text q" stands under another id
        [True, True, False, True],
    ]
