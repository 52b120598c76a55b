"""Hugging Face encoders as BiBERT: transformers' own hidden states, what the sides share, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, AutoTokenizer, BertForMaskedLM, GPT2Config, GPT2Model

from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import PretrainedBertTowerSpec, TextInput
from tests.support.encoders import (
    FAMILIES,
    HIDDEN,
    LAYERS,
    NUMBERED_FROM_PAD,
    POSITIONS,
    encoder_folder,
    encoder_of,
    tokenizer_of,
)
from tests.support.models import QUERIES, tiny_bert_specs
from towers.encoder_folder import LoadedEncoder, load_encoder
from towers.errors import EncoderError
from towers.export import export_query_side
from towers.fingerprint import tower_fingerprint
from towers.int8 import Int8Version
from towers.model import Model, build_model
from towers.packed_texts import pack_texts
from towers.pooling import masked_mean
from towers.pretrained_bert import PretrainedBertTower, build_pretrained_bert
from towers.query_encoder import OnnxQueryEncoder, encoder_inputs
from towers.storage import load_side, save_side
from towers.tokens import TextTokenizer, read_tokenizers, text_tokenizer
from towers.unpadded import UnpaddedTexts

TITLES = ["red cotton dress for women", "pan", "", "kids cap toy a b"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each family; do not change their files."""
    root = tmp_path_factory.mktemp("encoders")
    for family in FAMILIES:
        encoder_folder(root / family, family)
    return root


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reader(loaded: LoadedEncoder, max_tokens: int = 10) -> TextTokenizer:
    return text_tokenizer(loaded.tokenizer, TextInput(max_tokens=max_tokens, pad_id=loaded.tower.config.pad_id))


def specs(loaded: LoadedEncoder) -> tuple[SideSpec, SideSpec]:
    config = loaded.tower.config
    query, product = (
        SideSpec(
            towers=(PretrainedBertTowerSpec(config=config, text=TextInput(max_tokens=tokens, pad_id=config.pad_id)),),
            fusion=NoFusion(),
        )
        for tokens in (10, 14)
    )
    return query, product


def model_of(loaded: LoadedEncoder) -> Model:
    model = build_model(*specs(loaded)).eval()
    for side in (model.query, model.product):
        side.towers["bibert"].load_state_dict(loaded.tower.state_dict())
    return model


def towers_of(loaded: LoadedEncoder) -> tuple[PretrainedBertTower, PretrainedBertTower]:
    model = model_of(loaded)
    query, product = model.query.towers["bibert"], model.product.towers["bibert"]
    assert isinstance(query, PretrainedBertTower) and isinstance(product, PretrainedBertTower)
    return query, product


@torch.inference_mode()
def transformers_states(folder: Path, texts: list[str], layers: int) -> list[torch.Tensor]:
    """States after so many layers by transformers alone, each text without padding: (t, h) a text."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    states = []
    for text in texts:
        read = tokenizer(text, return_tensors="pt", truncation=True, max_length=10)
        read.pop("token_type_ids", None)
        states.append(model(**read, output_hidden_states=True).hidden_states[layers][0])
    return states


@pytest.mark.parametrize("layers", [1, 2, LAYERS])
@torch.inference_mode()
def test_vectors_are_transformers_mean_states_after_the_first_layers(folders: Path, family: str, layers: int) -> None:
    loaded = load_encoder(folders / family, layers=layers)
    vectors = loaded.tower(torch.from_numpy(reader(loaded).encode(TITLES)))
    expected = torch.stack([states.mean(dim=0) for states in transformers_states(folders / family, TITLES, layers)])
    torch.testing.assert_close(vectors, expected, atol=2e-5, rtol=1e-4)
    assert torch.linalg.matrix_rank(expected) >= 3, "all texts are alike: the comparison shows nothing"


@pytest.mark.parametrize("layers", [(1,), (0, 3), (0, 1, 2, 3)])
@torch.inference_mode()
def test_chosen_layers_are_run_in_their_order(folders: Path, family: str, layers: tuple[int, ...]) -> None:
    loaded = load_encoder(folders / family, layers=layers)
    model = AutoModel.from_pretrained(folders / family).eval()
    stack = model.transformer if family == "distilbert" else model.encoder
    stack.layer = nn.ModuleList(stack.layer[number] for number in layers)
    ids = torch.from_numpy(reader(loaded).encode(TITLES))
    real = ids != loaded.tower.config.pad_id
    expected = masked_mean(model(input_ids=ids, attention_mask=real.long()).last_hidden_state, real)
    torch.testing.assert_close(loaded.tower(ids), expected, atol=1e-6, rtol=1e-5)
    assert loaded.tower.config.model[LAYERS_KEY.get(family, "num_hidden_layers")] == len(layers)
    again = build_pretrained_bert(loaded.tower.config)
    again.load_state_dict(loaded.tower.state_dict())
    torch.testing.assert_close(again.eval()(ids), loaded.tower(ids), atol=0, rtol=0)


LAYERS_KEY = {"distilbert": "n_layers"}


def test_all_layers_are_kept_unless_fewer_are_asked_for(folders: Path) -> None:
    assert load_encoder(folders / "bert").tower.config.model["num_hidden_layers"] == LAYERS
    with pytest.raises(EncoderError) as caught:
        load_encoder(folders / "bert", layers=(0, 4))
    assert str(caught.value) == f"{folders / 'bert'} has 4 layers, numbered from 0, so layer 4 cannot be kept"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@torch.inference_mode()
def test_texts_without_padding_have_the_vectors_of_transformers(
    folders: Path, family: str, pooling: Literal["mean", "cls"]
) -> None:
    loaded = load_encoder(folders / family, pooling=pooling)
    tower = loaded.tower
    ids = torch.from_numpy(reader(loaded).encode([*TITLES, "red", "blue shoe", "red shoe", "a b c d e f g h i"]))
    assert tower.reads_packed_texts is (family in ("bert", "camembert", "roberta", "xlm-roberta"))
    if not tower.reads_packed_texts:
        assert tower.remove_padding(ids) is ids
        return
    expected = tower(ids)  # computed by transformers
    unpadded = tower.remove_padding(ids)
    assert isinstance(unpadded, UnpaddedTexts) and len(unpadded.ids) < ids.numel()
    packed, places = pack_texts(ids, (ids != tower.config.pad_id).sum(dim=1))
    assert (tower(unpadded) - expected).abs().max() < 1e-5
    assert (tower(packed)[places] - expected).abs().max() < 1e-5


@pytest.mark.parametrize("named", [True, False])
@torch.inference_mode()
def test_the_pad_token_is_the_tokenizers_and_not_the_first_token(tmp_path: Path, named: bool) -> None:
    """Multilingual encoders have BERT's structure, XLM-RoBERTa's tokenizer and a pad_token_id of 0, which is <s>."""
    tokenizer = tokenizer_of("xlm-roberta")
    encoder = encoder_of("bert", vocab_size=tokenizer.backend_tokenizer.get_vocab_size(), pad_token_id=0)
    encoder.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    if not named:
        tokenizer.backend_tokenizer.enable_padding(pad_id=1, pad_token="<pad>")
        tokenizer.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
        (tmp_path / "tokenizer_config.json").unlink()
    loaded = load_encoder(tmp_path, layers=LAYERS)
    assert loaded.tower.config.pad_id == 1 and loaded.tower.config.max_positions == POSITIONS
    if named:
        vectors = loaded.tower(torch.from_numpy(reader(loaded).encode(TITLES)))
        expected = torch.stack([states.mean(dim=0) for states in transformers_states(tmp_path, TITLES, LAYERS)])
        torch.testing.assert_close(vectors, expected, atol=2e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_first_tokens_state_is_taken_where_that_is_asked_for(folders: Path) -> None:
    loaded = load_encoder(folders / "bert", layers=LAYERS, pooling="cls")
    vectors = loaded.tower(torch.from_numpy(reader(loaded).encode(TITLES)))
    expected = torch.stack([states[0] for states in transformers_states(folders / "bert", TITLES, LAYERS)])
    torch.testing.assert_close(vectors, expected, atol=2e-5, rtol=1e-4)


def test_token_ids_are_transformers_own(folders: Path, family: str) -> None:
    loaded = load_encoder(folders / family, layers=1)
    texts = [*TITLES, "red " * 40, "caf\u00e9 XL"]
    expected = AutoTokenizer.from_pretrained(folders / family)(
        texts, truncation=True, max_length=10, padding=True, return_tensors="np"
    )
    assert reader(loaded).encode(texts).tolist() == expected["input_ids"].tolist()
    assert (reader(loaded).encode(texts) != loaded.tower.config.pad_id).tolist() == (
        expected["attention_mask"] == 1
    ).tolist()


def test_families_that_number_from_the_pad_token_have_fewer_positions(folders: Path, family: str) -> None:
    config = load_encoder(folders / family, layers=1).tower.config
    assert config.max_positions == (18 if family in NUMBERED_FROM_PAD else 20)
    assert config.pad_id == (1 if family in NUMBERED_FROM_PAD else 0)


@torch.inference_mode()
def test_a_text_may_fill_all_positions_and_padding_never_counts(folders: Path, family: str) -> None:
    loaded = load_encoder(folders / family, layers=2)
    longest = loaded.tower.config.max_positions
    ids = torch.from_numpy(reader(loaded, longest).encode(["red " * 50, "red shoe"]))
    assert ids.shape[1] == longest
    together = loaded.tower(ids)
    short = ids[1][ids[1] != loaded.tower.config.pad_id]
    torch.testing.assert_close(loaded.tower(short[None])[0], together[1], atol=2e-6, rtol=1e-5)
    assert together.isfinite().all()


def test_the_sides_share_all_but_layer_norms_and_projection(folders: Path, family: str) -> None:
    query, product = towers_of(load_encoder(folders / family, layers=2))
    mine, theirs = dict(query.named_parameters()), dict(product.named_parameters())
    assert mine.keys() == theirs.keys()
    owned = {name for name in mine if mine[name] is not theirs[name]}
    norms = {name for name, module in query.named_modules() if isinstance(module, nn.LayerNorm)}
    assert len(norms) == 5  # of the embeddings, and two of each layer
    assert owned == {f"{name}.{part}" for name in {*norms, "projection"} for part in ("weight", "bias")}
    assert all(torch.equal(mine[name], theirs[name]) for name in mine), "both sides start as they were pretrained"


def test_a_side_learns_its_layer_norms_alone_and_the_body_with_the_other(folders: Path) -> None:
    loaded = load_encoder(folders / "bert", layers=2)
    query, product = towers_of(loaded)
    ids = torch.from_numpy(reader(loaded).encode(TITLES))
    before = product(ids).detach()
    query(ids).square().sum().backward()
    shared = {id(parameter) for parameter in product.parameters()}
    with torch.no_grad():
        for parameter in query.parameters():
            if id(parameter) not in shared:
                assert parameter.grad is not None and parameter.grad.abs().sum() > 0
                parameter.sub_(0.1 * parameter.grad.sign())
        torch.testing.assert_close(product(ids), before)
        assert not torch.allclose(query(ids), before, atol=1e-2)
        query.encoder.get_input_embeddings().weight.add_(
            0.5 * torch.randn_like(query.encoder.get_input_embeddings().weight)
        )
    assert not torch.allclose(product(ids), before, atol=1e-2)


@torch.inference_mode()
def test_another_width_is_a_projection_that_keeps_angles_within_it(folders: Path) -> None:
    loaded = load_encoder(folders / "bert", layers=2, width=HIDDEN * 2)
    assert loaded.tower.config.width == HIDDEN * 2
    ids = torch.from_numpy(reader(loaded).encode(TITLES))
    plain = load_encoder(folders / "bert", layers=2).tower(ids)
    torch.testing.assert_close(loaded.tower(ids) @ loaded.tower(ids).T, plain @ plain.T, atol=1e-3, rtol=1e-4)
    assert load_encoder(folders / "bert", layers=2, width=8).tower(ids).shape == (4, 8)


def test_dropout_is_off(folders: Path, family: str) -> None:
    loaded = load_encoder(folders / family, layers=2)
    query, _ = towers_of(loaded)
    ids = torch.from_numpy(reader(loaded).encode(TITLES))
    for tower in (loaded.tower, query):
        torch.testing.assert_close(tower.train()(ids), tower.eval()(ids), atol=0, rtol=0)


def test_a_model_that_was_saved_with_a_head_gives_its_encoder(tmp_path: Path) -> None:
    encoder = encoder_of("bert")
    model = BertForMaskedLM(encoder.config).eval()
    model.save_pretrained(tmp_path)
    tokenizer_of("bert").save_pretrained(tmp_path)
    loaded = load_encoder(tmp_path, layers=LAYERS)
    kept, saved = loaded.tower.encoder.state_dict(), model.bert.state_dict()
    assert kept.keys() == saved.keys() and all(torch.equal(kept[name], saved[name]) for name in kept)


def test_weights_in_half_precision_are_read_in_full(tmp_path: Path) -> None:
    encoder_of("bert").half().save_pretrained(tmp_path)
    tokenizer_of("bert").save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in load_encoder(tmp_path, layers=1).tower.parameters()} == {torch.float32}


def test_a_configuration_names_no_place_and_comes_back_from_json(folders: Path, family: str) -> None:
    query, _ = specs(load_encoder(folders / family, layers=2))
    text = query.model_dump_json()
    assert str(folders) not in text and "transformers_version" not in text
    assert SideSpec.model_validate_json(text) == query


def test_a_side_comes_back_to_the_bit_with_its_fingerprint(folders: Path, family: str, tmp_path: Path) -> None:
    loaded = load_encoder(folders / family, layers=2)
    side = model_of(loaded).query
    save_side(side, tmp_path, {"bibert": loaded.tokenizer})
    again = load_side(tmp_path)
    assert again.spec == side.spec and not again.training
    mine, theirs = side.state_dict(), again.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    fingerprint = tower_fingerprint(side, "bibert", reader(loaded))
    assert tower_fingerprint(again, "bibert", reader(loaded)) == fingerprint
    with torch.no_grad():
        next(again.parameters()).add_(0.1)
    assert tower_fingerprint(again, "bibert", reader(loaded)) != fingerprint


@pytest.mark.integration
@pytest.mark.parametrize(("family", "pooling"), [("bert", "cls"), ("roberta", "mean"), ("mpnet", "mean")])
def test_the_exported_query_side_gives_torchs_vectors(
    folders: Path, family: str, pooling: Literal["mean", "cls"], tmp_path: Path
) -> None:
    loaded = load_encoder(folders / family, layers=2, pooling=pooling)
    side = model_of(loaded).query
    save_side(side, tmp_path, {"bibert": loaded.tokenizer})
    export_query_side(side, tmp_path, QUERIES)
    encoder = OnnxQueryEncoder(tmp_path, side.spec)
    for queries in ([""], ["red shoe"], ["red " * 50], QUERIES):
        with torch.no_grad():
            expected = side({"bibert": torch.from_numpy(reader(loaded).encode(queries))}).numpy()
        np.testing.assert_allclose(encoder.encode(queries), expected, atol=5e-6)
    assert np.abs(encoder.encode(["red"]) - encoder.encode(["blue"])).max() > 1e-3
    graph = onnx.load(tmp_path / "encoder.onnx").graph
    products = [node for node in graph.node if node.op_type == "Gemm"]
    if side.towers["bibert"].reads_packed_texts:  # in each layer one for queries, keys and values
        assert len(products) == 2 * 4 + 1
    assert {weight.name for weight in graph.initializer}.issuperset(node.input[1] for node in products)

    exact, samples = encoder.encode(QUERIES), encoder_inputs(read_tokenizers(tmp_path, side.spec), QUERIES)
    Int8Version(tmp_path / "encoder.onnx", [samples]).write(tmp_path / "encoder.onnx")
    int8 = OnnxQueryEncoder(tmp_path, side.spec)
    assert 0.98 < (int8.encode(QUERIES) * exact).sum(axis=1).min() < 1 - 1e-6
    alone = np.concatenate([int8.encode([query]) for query in QUERIES])
    np.testing.assert_allclose(int8.encode(QUERIES), alone, atol=1e-6)


def test_a_small_and_a_pretrained_bibert_do_not_make_a_model(folders: Path) -> None:
    query, _ = specs(load_encoder(folders / "bert", layers=2))
    product = SideSpec(towers=(tiny_bert_specs()[1],), fusion=NoFusion())
    with pytest.raises(ValueError, match="the two sides' BiBERT towers have different sizes; they share one body"):
        build_model(query, product)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None  # type: ignore[func-returns-value]


def only_a_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def change_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def a_decoder(folder: Path) -> None:
    GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=100)).save_pretrained(folder)


def fewer_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def no_special_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))


def no_pad_token(folder: Path) -> None:
    change_config(pad_token_id=None)(folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


SAVE = "save the model and its fast tokenizer with save_pretrained"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "{folder} is no folder; give one with config.json, model.safetensors and tokenizer.json"),
        (remove("config.json"), f"{{folder}} has no config.json; {SAVE}"),
        (remove("tokenizer.json"), f"{{folder}} has no tokenizer.json; {SAVE}"),
        (remove("model.safetensors"),
         "{folder} has no model.safetensors; save the model with save_pretrained, which writes it"),
        (only_a_pickle,
         "{folder} has no model.safetensors (pytorch_model.bin is a pickle, which is not read); "
         "save the model with save_pretrained, which writes it"),
        (a_decoder,
         "{folder} is of model_type 'gpt2'; a text tower is one of bert, camembert, distilbert, electra, mpnet, "
         "roberta, xlm-roberta"),
        (change_config(is_decoder=True),
         "{folder} is a decoder (is_decoder in config.json), a text tower is an encoder"),
        (no_pad_token,
         "neither the tokenizer in {folder} nor its config.json names a pad token; add pad_token_id"),
        (change_config(position_embedding_type="relative_key"),
         "{folder} has relative_key positions, a text tower has absolute ones"),
        (change_config(num_hidden_layers=1), "{folder} has 1 layers, so the first 2 cannot be kept"),
        (change_config(vocab_size=50),
         "{folder}/tokenizer.json gives token ids up to 88, but the encoder reads those below 50"),
        (change_config(intermediate_size=20),
         "encoder.layer.0.intermediate.dense.bias in {folder} has the shape (48,), "
         "but its config.json makes it (20,)"),
        (fewer_weights, "the weights in {folder} lack encoder.layer.1.output.dense.bias"),
        (no_special_tokens,
         "{folder}/tokenizer.json adds no special tokens, so that an empty text would have no token to read"),
    ],
)  # fmt: skip
def test_folders_that_hold_no_text_tower(
    folders: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = Path(shutil.copytree(folders / "bert", tmp_path / "bert"))
    load_encoder(folder, layers=2)
    spoil(folder)
    with pytest.raises(EncoderError) as caught:
        load_encoder(folder, layers=2)
    assert str(caught.value) == message.format(folder=folder)


@pytest.mark.parametrize(
    ("spoil", "start"),
    [
        (write("config.json", b"{"), "{folder}/config.json cannot be read: "),
        (write("config.json", b'{"model_type": "no-such-thing"}'), "{folder}/config.json cannot be read: "),
        (write("tokenizer.json", b"{}"), "{folder}/tokenizer.json cannot be read as a tokenizer: "),
        (write("model.safetensors", b"\x80\x04N."), "the weights in {folder} cannot be loaded: "),
    ],
)
def test_files_that_cannot_be_read(folders: Path, tmp_path: Path, spoil: Callable[[Path], None], start: str) -> None:
    folder = Path(shutil.copytree(folders / "bert", tmp_path / "bert"))
    spoil(folder)
    with pytest.raises(EncoderError) as caught:
        load_encoder(folder, layers=2)
    assert str(caught.value).startswith(start.format(folder=folder))
    assert "\n" not in str(caught.value)


def test_nothing_is_unpickled_and_no_code_of_the_folder_runs(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(folders / "bert", tmp_path / "bert"))
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    (folder / "trap.py").write_text("raise SystemExit('the code of a folder was run')")
    change_config(auto_map={"AutoModel": "trap.Trap", "AutoConfig": "trap.Trap"})(folder)
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("something was unpickled"))
    assert load_encoder(folder, layers=2).tower.config.family == "bert"


def test_weights_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    encoder = encoder_of("bert")
    torch.nn.init.constant_(encoder.embeddings.word_embeddings.weight, torch.nan)
    encoder.save_pretrained(tmp_path)
    tokenizer_of("bert").save_pretrained(tmp_path)
    with pytest.raises(EncoderError) as caught:
        load_encoder(tmp_path, layers=1)
    assert str(caught.value) == (
        f"the weights in {tmp_path} have NaN or infinity in embeddings.word_embeddings.weight; take another encoder"
    )
    weights = tmp_path / "model.safetensors"
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(EncoderError, match=r"model\.safetensors is a pointer of Git LFS, not the weights; fetch them"):
        load_encoder(tmp_path, layers=1)
