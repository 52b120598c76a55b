"""The model that a fit starts from: its composition, and the weights of towers from earlier fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer
from torch import nn

from artifacts.bundle import ModelBundle
from artifacts.side import AlphaConcatenation, FusionSpec, SideSpec
from artifacts.tower_specs import BertConfig, BertTowerSpec, FieldNames, TextInput, TowerName, TowerSpec
from towers.export import check_exportable
from towers.model import Model, Side, build_model
from towers.side_encoder import SideEncoder, Tokenizers
from towers.storage import load_model
from towers.tokens import read_tokenizers, text_tokenizer
from towers.vector_cache import VectorCache
from training.errors import RecipeError
from training.model.lora import add_adapters
from training.model.tokenizer import PAD_ID, train_tokenizer
from training.model.tower_pair import TowerPair
from training.recipes.recipe import AlphaSearch, FusionRecipe, Recipe, SideRecipe
from training.recipes.towers import BertRecipe, ClipRecipe, PretrainedBertRecipe, PretrainedClipRecipe


@dataclass(frozen=True)
class StartingModel:
    """A model before its fit, with the tokenizer of each of its text towers."""

    model: Model
    tokenizers: Mapping[TowerName, Tokenizer]

    def encoders(self, cache: VectorCache | None = None) -> tuple[SideEncoder, SideEncoder]:
        """Return the encoders of the query and the product side.

        An encoder uses the weights that its side has when it encodes, so that one serves before and after a fit.

        Args:
            cache: where the towers' vectors are kept; None keeps none.
        """
        query, product = (
            SideEncoder(side, side_tokenizers(side, self.tokenizers), cache)
            for side in (self.model.query, self.model.product)
        )
        return query, product


def side_tokenizers(side: Side, tokenizers: Mapping[TowerName, Tokenizer]) -> Tokenizers:
    """Return the tokenizers of a side's text towers, each with its tower's limits."""
    return {tower.name: text_tokenizer(tokenizers[tower.name], tower.text) for tower in side.spec.text_towers}


def starting_model(
    recipe: Recipe, texts: Sequence[str], fitted: Mapping[TowerName, ModelBundle], fields: FieldNames = ()
) -> StartingModel:
    """Build the model that a recipe's fit starts from.

    Args:
        recipe: says what to build.
        texts: products' texts and training queries, from which towers from scratch learn their vocabulary.
        fitted: a bundle for each tower that the recipe takes from an earlier fit.
        fields: columns that a text tower of the recipe reads of products after their titles.

    Raises:
        RecipeError: a bundle is missing or lacks its tower, the two sides get different widths, or a tower cannot have
            adapters.
        TowerError: a pretrained tower cannot be had, or the query side is too large to be exported.
    """
    pairs = {name: _tower_pair(name, recipe, texts, fitted, fields) for name in _tower_names(recipe)}
    query = _side_spec(recipe.query, {name: pair.query for name, pair in pairs.items()})
    product = _side_spec(recipe.product, {name: pair.product for name, pair in pairs.items()})
    if query.width != product.width:
        raise RecipeError(
            f"{recipe.name}: queries get width {query.width} but products {product.width}; "
            "set the mlp's width so that they agree"
        )
    model = build_model(query, product)
    for name, pair in pairs.items():
        if name in recipe.fitted_towers:
            source = load_model(fitted[name])
            _copy_tower(name, (source.query.towers[name], source.product.towers[name]), model)
        elif pair.weights:
            _copy_tower(name, pair.weights, model)
    check_exportable(model.query)
    _add_adapters(recipe, model)
    return StartingModel(model, {name: pair.tokenizer for name, pair in pairs.items()})


def _add_adapters(recipe: Recipe, model: Model) -> None:
    for name, given in (("bibert", recipe.bibert), ("clip", recipe.clip)):
        if isinstance(given, PretrainedBertRecipe | PretrainedClipRecipe) and given.lora:
            add_adapters(
                [side.towers[name] for side in (model.query, model.product) if name in side.towers], given.lora
            )


def _tower_names(recipe: Recipe) -> list[TowerName]:
    return list(dict.fromkeys((*recipe.query.towers, *recipe.product.towers)))


def _tower_pair(
    name: TowerName,
    recipe: Recipe,
    texts: Sequence[str],
    fitted: Mapping[TowerName, ModelBundle],
    fields: FieldNames,
) -> TowerPair:
    # open_clip and transformers take seconds to load, so they are imported only for the towers that need them.
    given = recipe.bibert if name == "bibert" else recipe.clip
    if isinstance(given, BertRecipe):
        return _fresh_bibert(given, texts, fields)
    if isinstance(given, PretrainedBertRecipe):
        from training.model.pretrained import pretrained_bibert

        return pretrained_bibert(given, fields)
    if isinstance(given, ClipRecipe):
        from training.model.fresh_clip import fresh_clip

        return fresh_clip(given, texts)
    if isinstance(given, PretrainedClipRecipe):
        from training.model.pretrained import pretrained_clip

        return pretrained_clip(given)
    check_fitted_tower(recipe, name, fitted)
    return _fitted_pair(name, fitted[name])


def check_fitted_tower(recipe: Recipe, name: TowerName, fitted: Mapping[TowerName, ModelBundle]) -> None:
    """Refuse a fit that lacks a bundle for a tower, or whose bundle lacks the tower.

    Args:
        recipe: takes the tower from an earlier fit.
        name: the tower.
        fitted: the bundles that were given, by tower.

    Raises:
        RecipeError: there is no such bundle, or it has no such tower on both sides.
    """
    if name not in fitted:
        of = f" of the recipe {recipe.text_tower}" if name == "bibert" else ""
        raise RecipeError(f"recipe {recipe.name} takes a fitted {name} tower{of}: give its bundle with --{name}")
    bundle = fitted[name]
    if not all(any(tower.name == name for tower in side.towers) for side in (bundle.query, bundle.product)):
        raise RecipeError(f"{bundle.path} has no {name} tower on both sides; give a bundle that was fitted with it")


def _fitted_pair(name: TowerName, bundle: ModelBundle) -> TowerPair:
    query, product = (
        next(tower for tower in side.towers if tower.name == name) for side in (bundle.query, bundle.product)
    )
    tokenizer = read_tokenizers(bundle.query_folder, bundle.query)[name].tokenizer
    return TowerPair(query, product, tokenizer)


def _fresh_bibert(recipe: BertRecipe, texts: Sequence[str], fields: FieldNames) -> TowerPair:
    tokenizer = train_tokenizer(texts, recipe.vocabulary, with_end=False)
    config = BertConfig(
        vocabulary_size=tokenizer.get_vocab_size(),
        max_positions=max(recipe.query_tokens, recipe.title_tokens),
        pad_id=PAD_ID,
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        feed_forward=recipe.feed_forward,
    )
    query = BertTowerSpec(config=config, text=TextInput(max_tokens=recipe.query_tokens, pad_id=PAD_ID))
    read = TextInput(max_tokens=recipe.title_tokens, pad_id=PAD_ID, fields=fields)
    product = BertTowerSpec(config=config, text=read)
    return TowerPair(query, product, tokenizer)


def _side_spec(recipe: SideRecipe, towers: Mapping[str, TowerSpec]) -> SideSpec:
    return SideSpec(towers=tuple(towers[name] for name in recipe.towers), fusion=_fusion_spec(recipe.fusion))


def _fusion_spec(fusion: FusionRecipe) -> FusionSpec:
    """Return a recipe's fusion; alpha is its first choice until validation decides."""
    return AlphaConcatenation(alpha=fusion.choices[0]) if isinstance(fusion, AlphaSearch) else fusion


def _copy_tower(name: TowerName, towers: tuple[nn.Module, nn.Module], target: Model) -> None:
    for tower, side in zip(towers, (target.query, target.product), strict=True):
        if name in side.towers:
            side.towers[name].load_state_dict(tower.state_dict())
