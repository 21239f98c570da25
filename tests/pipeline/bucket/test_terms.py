"""Names of groups: telling terms, in scripts with and without spaces, each name once."""

from collections import Counter

from pipeline.bucket.terms import count_terms, name_groups, terms_of, weigh_terms


def test_terms_are_words_and_pairs_of_unspaced_characters():
    assert terms_of("The TEA is 3 ml, tea_pot; 绿茶很好。水") == {"the", "tea", "pot", "绿茶", "茶很", "很好"}


def test_the_rare_elsewhere_comes_first_and_what_all_hold_last():
    texts = [["the tea leaf", "the tea pot", "the tea"], ["the train", "the train track", "the rail train"]]
    ranked = weigh_terms([count_terms(group) for group in texts], [3, 3])
    assert ranked == [["tea", "the"], ["train", "the"]]


def test_a_group_of_one_text_has_its_terms():
    assert weigh_terms([Counter({"solo": 1})], [1]) == [["solo"]]


def test_forms_of_one_word_are_named_once_and_names_are_unique():
    ranked = [["array", "arrays", "axis", "shape"], ["array", "axis"], [], ["绿茶", "茶很", "很好"]]
    assert name_groups(ranked, 2) == ["array-axis", "array-axis-2", "cluster-3", "绿茶-很好"]
