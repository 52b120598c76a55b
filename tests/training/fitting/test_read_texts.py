"""What the text towers of a fit cannot read is measured, printed and warned of."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from artifacts.tower_specs import TextInput
from tests.support.specs import tiny_tokenizer
from tests.training.small_recipes import small
from towers.tokens import text_tokenizer
from training.batches.training_data import TrainingData
from training.fitting.read_texts import report_read_texts, text_shares
from training.model.start import StartingModel, starting_model
from training.model.tokenizer import train_tokenizer


def limit(tokens: int) -> TextInput:
    return TextInput(max_tokens=tokens, pad_id=0)


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("red", -1.0), ("shoe", -1.0)], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.mark.parametrize("make", [tiny_tokenizer, unigram], ids=["named", "numbered"])
def test_unknown_tokens_are_counted(make: Callable[[], Tokenizer]) -> None:
    shares = text_shares("bibert", "queries", text_tokenizer(make(), limit(9)), ["red shoe", "red \u732b"])
    assert (shares.unknown, shares.cut, shares.cut_texts) == (1 / 4, 0, 0)


def test_tokens_beyond_the_limit_are_counted_without_special_tokens() -> None:
    reader = text_tokenizer(tiny_tokenizer(), limit(4))  # two of them are START and END
    shares = text_shares("clip", "titles", reader, ["red shoe", "red", "red shoe red shoe red"])
    assert (shares.unknown, shares.cut, shares.cut_texts) == (0, 3 / 8, 1 / 3)
    assert str(shares) == (
        "clip reads titles with 0.00% unknown tokens; 37.50% of the tokens, in 33.3% of the titles, are beyond its 4 "
        "and are cut off"
    )


def test_of_many_texts_a_sample_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fitting.read_texts.SAMPLE", 10)
    texts = ["red", "\u732b"] * 500
    assert text_shares("bibert", "titles", text_tokenizer(tiny_tokenizer(), limit(9)), texts).unknown in (0, 1 / 2, 1)


def start_with(data: TrainingData, tokenizer: Tokenizer | None, query_tokens: int) -> StartingModel:
    recipe = small("bibert")
    assert recipe.bibert is not None
    recipe = recipe.model_copy(update={"bibert": recipe.bibert.model_copy(update={"query_tokens": query_tokens})})
    start = starting_model(recipe, data.vocabulary_texts(), {})
    return start if tokenizer is None else replace(start, tokenizers={"bibert": tokenizer})


def test_a_fit_says_how_its_texts_are_read(data: TrainingData, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = report_read_texts(small("bibert"), *start_with(data, None, 24).encoders(), data)
    names = ["bibert_queries_unknown", "bibert_queries_cut", "bibert_titles_unknown", "bibert_titles_cut"]
    assert list(metrics) == names and metrics["bibert_queries_unknown"] == metrics["bibert_titles_unknown"] == 0
    assert [line.split(" with ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "bibert reads queries",
        "bibert reads titles",
    ]


def test_much_that_is_not_read_is_a_warning_with_the_remedy(data: TrainingData) -> None:
    start = start_with(data, unigram(), 3)
    with pytest.warns(UserWarning) as caught:
        report_read_texts(small("bibert"), *start.encoders(), data)
    said = [str(warning.message) for warning in caught]
    assert any("unknown to bibert; take a tower from scratch" in sentence for sentence in said)
    assert any("queries are longer than the 3 tokens" in s and "raise query_tokens of bibert" in s for s in said)
    with pytest.warns(UserWarning, match="fit the bibert that it is taken from with a higher limit"):
        report_read_texts(small("3tmm-mlp"), *start.encoders(), data)


def test_a_tower_from_scratch_reads_every_script() -> None:
    reader = text_tokenizer(train_tokenizer(["red shoe"] * 9, 400, with_end=True), limit(64))
    assert text_shares("bibert", "titles", reader, ["\u732b \U0001f45f", "\u0e27\u0e34"]).unknown == 0
