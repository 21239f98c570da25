"""Near texts are told from siblings of one template, which are hard negatives and no duplicates."""

from pipeline.lint.similar import answers_less, are_siblings, cluster_queries, differ_in_numbers, names_another


def test_texts_that_differ_in_numbers_alone_are_no_copies():
    assert differ_in_numbers("Sales of 2010: 5", "sales of 2011: 5")
    assert not differ_in_numbers("Sales of 2010", "SALES of 2010.")
    assert not differ_in_numbers("Sales of 2010", "Losses of 2011")


def test_rows_of_one_template_are_told_by_what_their_queries_name():
    gout, lupus = "symptoms of gout are pain", "symptoms of lupus are pain"

    assert names_another("symptoms of gout", "symptoms of lupus", gout, lupus)
    assert not names_another("symptoms of gout", "the symptoms of gout", gout, f"{gout} and more")


def test_a_text_that_lacks_what_is_asked_for_answers_less():
    assert answers_less("symptoms of gout", "gout: gout is pain", "lupus: lupus is pain")
    assert not answers_less("symptoms of gout", "gout: gout is pain", "gout is much pain")


def test_queries_of_nearly_the_same_words_are_one_whatever_their_order():
    queries = [
        "a b c d e f g h i j",
        "j i h g f e d c b a",
        "a b c d e f g h i k",
        "one two three",
        "in 2010",
        "in 2011",
    ]

    assert cluster_queries(queries, 0.8, 0.999, 128, 1).tolist() == [0, 0, 0, 3, 4, 5]


def test_siblings_repeat_a_name_that_the_other_lacks_and_edited_copies_do_not():
    text = "Gout is pain. Who has gout? Men have it more than women, and it comes at night."

    assert are_siblings(text, text.replace("Gout", "Lupus").replace("gout", "lupus"))
    assert not are_siblings(text, text.replace("women", "children"))
    assert not are_siblings(text, f"{text} Lupus is another disease.")
