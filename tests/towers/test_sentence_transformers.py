"""Encoders of sentence-transformers give its own vectors: pooling, prefixes, lower case; and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import PretrainedBertTowerSpec, TextInput
from tests.support.encoders import encoder_of, tokenizer_of
from towers.encoder_folder import load_encoder
from towers.errors import EncoderError
from towers.model import Side
from towers.prefix_config import Prefixes, prefixes_of_folder
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.tokens import text_tokenizer
from training.model.encoder_sources import encoder_folder

TEXTS = ["red cotton dress for women", "Pan", "", "kids cap toy a b", "BLUE shoe, 10 cm"]
LONGEST = 18  # tokens, as many as each of the encoders has positions for
E5 = {"query": "query: ", "document": "passage: "}
# Family of the encoder, of the tokenizer, kind of pooling, prompts. The second row is like multilingual E5 small.
KINDS: list[tuple[str, str, str, dict[str, str]]] = [
    ("bert", "bert", "mean", {}),
    ("bert", "xlm-roberta", "mean", E5),
    ("bert", "bert", "cls", {"query": "show me: "}),
    ("xlm-roberta", "xlm-roberta", "cls", {}),
    ("distilbert", "distilbert", "mean", {"query": "a ", "passage": "b ", "corpus": "c "}),
]


def save(folder: Path, encoder: Any, tokenizer: Any, pooling: Any = "mean", **options: Any) -> Path:
    """Save an encoder as sentence-transformers does; `options` go to its model."""
    encoder.save_pretrained(folder / "bare")
    tokenizer.save_pretrained(folder / "bare")
    transformer = Transformer(str(folder / "bare"), max_seq_length=LONGEST)
    further = options.pop("further", [])
    pooled = Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)
    SentenceTransformer(modules=[transformer, pooled, *further, Normalize()], device="cpu", **options).save(
        str(folder / "saved"), create_model_card=False
    )
    return folder / "saved"


def ours(folder: Path, **options: Any) -> tuple[Vectors, Vectors]:
    """Vectors of the texts as queries and as titles."""
    loaded = load_encoder(folder, **options)
    config = loaded.tower.config
    vectors = []
    for prefix in (loaded.prefixes.query, loaded.prefixes.product):
        text = TextInput(max_tokens=LONGEST, pad_id=config.pad_id, prefix=prefix)
        spec = SideSpec(towers=(PretrainedBertTowerSpec(config=config, text=text),), fusion=NoFusion())
        side = Side(spec, {"bibert": loaded.tower})
        vectors.append(SideEncoder(side, {"bibert": text_tokenizer(loaded.tokenizer, text)}).queries(TEXTS))
    return vectors[0], vectors[1]


def assert_same(found: Vectors, expected: Any) -> None:
    cosines = (found * np.asarray(expected)).sum(axis=1)
    assert cosines.min() > 0.99999, cosines


@pytest.mark.parametrize(("family", "tokenizer", "pooling", "prompts"), KINDS)
def test_vectors_are_those_of_sentence_transformers(
    family: str, tokenizer: str, pooling: str, prompts: dict[str, str], tmp_path: Path
) -> None:
    reads = tokenizer_of(tokenizer)
    pad = {"pad_token_id": 0} if family != tokenizer else {}
    encoder = encoder_of(family, vocab_size=reads.backend_tokenizer.get_vocab_size(), **pad)
    folder = save(tmp_path, encoder, reads, pooling, prompts=dict(prompts))
    model = SentenceTransformer(str(folder), device="cpu")
    queries, titles = ours(folder)
    assert_same(queries, model.encode(TEXTS, prompt=prompts.get("query", "")))
    document = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), "")
    assert_same(titles, model.encode(TEXTS, prompt=document))
    if prompts == E5:
        assert_same(queries, model.encode_query(TEXTS))
        assert_same(titles, model.encode_document(TEXTS))
        with pytest.raises(AssertionError):
            assert_same(queries, titles)
        assert_same(ours(folder, query_prefix="passage: ")[0], titles)
        assert_same(ours(folder, query_prefix="", product_prefix="")[1], model.encode(TEXTS))


def test_lower_case_is_read_where_sentence_transformers_makes_it(tmp_path: Path) -> None:
    folder = save(tmp_path, encoder_of("roberta"), tokenizer_of("roberta"))
    config = folder / "sentence_bert_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "do_lower_case": True}))
    queries, _ = ours(folder)
    assert_same(queries, SentenceTransformer(str(folder), device="cpu").encode(TEXTS))
    config.unlink()
    with pytest.raises(AssertionError):
        assert_same(queries, ours(folder)[0])


@pytest.mark.integration
def test_the_packages_minilm_is_that_of_sentence_transformers() -> None:
    folder = encoder_folder("all-MiniLM-L6-v2")
    queries, titles = ours(folder)
    assert queries.shape == (len(TEXTS), 384)
    assert_same(queries, SentenceTransformer(str(folder), device="cpu").encode(TEXTS))
    assert_same(titles, queries)


def test_a_module_that_no_tower_has_is_refused_unless_the_pooling_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path, encoder_of("bert"), tokenizer_of("bert"), further=[Dense(32, 8)])
    with pytest.raises(EncoderError) as caught:
        load_encoder(folder)
    assert str(caught.value) == (
        f"{folder / 'modules.json'} names the module Dense, which a text tower does not have; "
        "to start from the encoder without it, name the pooling with `pooling` in the recipe"
    )
    assert load_encoder(folder, pooling="mean").tower.config.width == 32


def test_prefixes_that_are_not_pooled_are_refused(tmp_path: Path) -> None:
    folder = save(tmp_path, encoder_of("bert"), tokenizer_of("bert"), prompts=dict(E5))
    file = folder / "1_Pooling" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "include_prompt": False}))
    with pytest.raises(EncoderError, match=r"leaves the tokens of a prefix out of its pooling \(include_prompt\)"):
        load_encoder(folder)
    assert load_encoder(folder, query_prefix="", product_prefix="").prefixes == Prefixes()


@pytest.mark.parametrize(
    ("config", "prefixes"),
    [
        ({}, Prefixes()),
        ({"prompts": None}, Prefixes()),
        ({"prompts": {"query": None, "document": ""}}, Prefixes()),
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, Prefixes("query: ", "passage: ")),
        ({"prompts": {"document": "", "corpus": "x"}}, Prefixes("", "x")),
        ({"prompts": {"clustering": "x"}, "default_prompt_name": "clustering"}, Prefixes()),
    ],
)
def test_the_folder_says_its_prefixes(config: Any, prefixes: Prefixes, tmp_path: Path) -> None:
    assert prefixes_of_folder(tmp_path) == Prefixes()
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert prefixes_of_folder(tmp_path) == prefixes


def test_damaged_prompts_are_named(tmp_path: Path) -> None:
    for content in ("[]", '{"prompts": ["x"]}'):
        (tmp_path / "config_sentence_transformers.json").write_text(content)
        with pytest.raises(
            EncoderError, match=r"sentence_transformers.json does not have its prompts as a JSON object"
        ):
            prefixes_of_folder(tmp_path)


@torch.inference_mode()
def test_a_prefix_counts_among_the_tokens_of_a_text() -> None:
    tokenizer = tokenizer_of("bert").backend_tokenizer
    plain, prefixed = (
        text_tokenizer(tokenizer, TextInput(max_tokens=6, pad_id=0, prefix=prefix)) for prefix in ("", "a ")
    )
    assert prefixed.encode(["red shoe"]).tolist() == plain.encode(["a red shoe"]).tolist()
    assert prefixed.encode(["b c d e f g"]).tolist() == plain.encode(["a b c d e f g"]).tolist()
    assert prefixed.encode(["b c d e f g"]).shape == (1, 6)
