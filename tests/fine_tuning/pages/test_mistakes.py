"""Mistakes as cards: the verdict first, answers marked in their paragraph, entities as spans in their sentence."""

import re

from minitf.fine_tuning.pages.mistakes import CHIP, mistake_cards, sentence_cards

HOSTILE = "<b>\u202eevil"
MISTAKE = {"row": 1234, "text": "q", "pair": None, "true": "yes", "said": "no (70%)", "loss": 1.5}


def plain(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_prediction_and_true_answer_come_before_the_text() -> None:
    text = plain(mistake_cards([MISTAKE | {"text": "the text"}], 9, "classification"))
    assert "1 of 9 mistakes" in text
    assert text.endswith("predicted no (70%) true yes row 1,234, loss 1.5000 the text")


def test_a_long_paragraph_is_folded_with_both_answers_marked() -> None:
    paragraph = "a" * 300 + "RIGHT" + "b" * 300 + "WRONG" + "c" * 300
    mistake = MISTAKE | {"pair": paragraph, "answers": {"true": [300, 305], "predicted": [605, 610]}}
    html = mistake_cards([mistake], 1, "qa")
    assert "<details><summary>Paragraph with both answers (910 characters)</summary>" in html
    assert '<mark class="right">RIGHT</mark>' in html
    assert '<mark class="wrong">WRONG</mark>' in html


def test_an_answer_of_any_length_fits_the_first_line() -> None:
    html = mistake_cards([MISTAKE | {"said": "x" * 100_000}], 1, "qa")
    assert len(html) < 2 * CHIP + 1000


def test_texts_are_escaped_and_isolated() -> None:
    html = mistake_cards([dict.fromkeys(("text", "pair", "true", "said"), HOSTILE) | {"row": 1, "loss": None}], 1, "qa")
    assert "<b>\u202e" not in html
    assert html.count("<bdi>&lt;b&gt;\u202eevil</bdi>") == 2
    assert html.count('<p class="text">&lt;b&gt;\u202eevil</p>') == 2  # .text is isolated by the style


def sentence(**more) -> dict:
    words = ["the", "grand", "hotel", "of", HOSTILE]
    usual = {"row": 7, "loss": 2.0, "words": words, "before": 0, "after": 0}
    return usual | {"true": [[1, 3, "LOC"], [4, 5, "PER"]], "predicted": [[1, 3, "LOC"], [3, 4, "PER"]]} | more


def test_entities_are_spans_and_wrong_ones_are_framed() -> None:
    html = sentence_cards({"mistaken": 3, "worst": [sentence()]})
    predicted, true = re.findall('<p class="sentence">.*?</p>', html)
    assert '<mark class="t0">grand hotel<small><bdi>LOC</bdi></small></mark>' in predicted
    assert '<mark class="t0">grand hotel<small><bdi>LOC</bdi></small></mark>' in true
    assert '<mark class="t1 error">of<small>' in predicted
    assert '<mark class="t1 error"><bdi>&lt;b&gt;' in true
    assert "1 of 3 sentences" in html


def test_one_card_per_sentence_not_per_word() -> None:
    html = sentence_cards({"mistaken": 1, "worst": [sentence(true=[[n, n + 1, "X"] for n in range(5)])]})
    assert html.count('<li class="card">') == 1


def test_more_types_than_colours() -> None:
    html = sentence_cards({"mistaken": 1, "worst": [sentence(true=[[n % 5, n % 5 + 1, f"T{n}"] for n in range(40)])]})
    assert set(re.findall('class="(t[0-9]+)', html)) == {f"t{n}" for n in range(6)}


def test_a_part_of_a_long_sentence_names_its_words() -> None:
    assert "words 81 to 85 of a long sentence" in sentence_cards({"mistaken": 1, "worst": [sentence(before=80)]})
