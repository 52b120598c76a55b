"""The records of a recipe: composition, optimisation, history and popularity, checked on construction."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from artifacts.records import Record, describe_faults
from artifacts.side import Concatenation, MlpFusion, NoFusion, ResidualFusion
from artifacts.tower_specs import TowerName
from training.errors import RecipeError
from training.recipes.files import read_recipe, recipe_path
from training.recipes.towers import AnyBertRecipe, AnyClipRecipe, BertRecipe, ClipRecipe

Part = Literal["bibert", "clip", "fusion"]


class AlphaSearch(Record):
    """Alpha-weighted concatenation whose alpha is chosen among these on the held-out queries."""

    kind: Literal["alpha"] = "alpha"
    choices: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)


FusionRecipe = Annotated[
    NoFusion | Concatenation | AlphaSearch | MlpFusion | ResidualFusion, Field(discriminator="kind")
]


class SideRecipe(Record):
    """Towers and fusion of one side."""

    towers: tuple[TowerName, ...] = Field(min_length=1, max_length=2)
    fusion: FusionRecipe = NoFusion()


class GradedRelevance(Record):
    """Labels of training queries as a second loss (training/objective/graded.py), where a shop has such labels."""

    weight: float = Field(gt=0)  # of this loss, beside NT-Xent with weight 1
    queries: int = Field(default=64, ge=1)  # judged queries of a batch
    products: int = Field(default=16, ge=2)  # judged products of each, at most


class Optimisation(Record):
    """How the trainable parts are fitted: Adam, linear warm-up, cosine decay to zero."""

    epochs: float = Field(gt=0)  # how often each pair is used
    least_steps: int = Field(default=1, ge=1)  # with few pairs the epochs are extended to so many steps ...
    most_epochs: float | None = Field(default=None, gt=0)  # ... but each pair is used no more often than this
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    tower_learning_rate: float | None = Field(
        default=None, gt=0
    )  # of trained towers that do not start from random weights
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_share: float = Field(default=0.05, ge=0, lt=1)  # share of the steps
    temperature: float = Field(default=0.05, gt=0)  # tau of Eq. 1 at the first step
    learned_temperature: bool = True
    # Share of the fields of a product that a trained text tower does not read, drawn in each step (training/batches).
    field_dropout: float = Field(default=0.3, ge=0, lt=1)
    seen_negatives: bool = False  # append the products shown for a query but not bought (section 4.1)
    # How many times each of them counts: log(weight) is added to its logit. One that is also a product of a pair of the
    # batch counts like the other products of pairs.
    seen_negative_weight: float = Field(default=1.0, gt=0)
    # A product of several pairs of a batch is a negative of another query once, or once for each pair as in Eq. 1.
    repeated_products: Literal["once", "each"] = "each"
    # Correction of the bias against popular products: this times the logarithm of a product's number of training pairs
    # is subtracted from its logit (training/objective/nt_xent.py).
    popularity: float = Field(default=0.0, ge=0, le=1)
    # Share of a batch's queries that are typed otherwise: with an error, other word order or number
    # (training/batches/rewording.py).
    reworded_queries: float = Field(default=0.0, ge=0, le=1)
    # Queries made from each product of the catalogue that are trained on beside the log (training/batches/
    # catalog_queries.py).
    catalog_queries: int = Field(default=0, ge=0, le=100)
    judgments: GradedRelevance | None = None
    symmetric: bool = False  # also from products to queries, as CLIP is trained
    # Queries or products whose activations are kept at a time (training/objective/gradient_cache.py); absent: all.
    chunk_size: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "Optimisation":
        if self.seen_negative_weight != 1 and not self.seen_negatives:
            raise ValueError("seen_negative_weight is given, but seen_negatives is false")
        if self.most_epochs is not None and self.most_epochs < self.epochs:
            raise ValueError(f"most_epochs is {self.most_epochs:g}, below epochs, {self.epochs:g}")
        return self

    def for_pairs(self, pairs: int, devices: int) -> "Optimisation":
        """Return the same with smaller batches, of all pairs that devices can share, where pairs do not fill one."""
        if pairs >= self.batch_size:
            return self
        return self.model_copy(update={"batch_size": pairs - pairs % devices})

    def steps(self, pairs: int) -> int:
        """Return the number of batches of a run over so many pairs, at least one.

        They are those of the epochs and at least `least_steps`, but no more than those of `most_epochs`.
        """
        wanted = max(self.least_steps, round(pairs // self.batch_size * self.epochs))
        if self.most_epochs is None:
            return wanted
        return max(1, min(wanted, round(pairs * self.most_epochs / self.batch_size)))


class HistoryRecipe(Record):
    """The queries that a product was shown for or bought for, added to its vector (artifacts/history.py)."""

    of: Literal["shown", "bought"] = "shown"
    weight: float = Field(gt=0)  # most length of a product's history vector; its own vector has length 1
    # How many queries the history that a product's content lets expect counts for, beside those that bought it.
    smoothing: float = Field(default=2.0, gt=0)
    # Products that were never shown get an estimated history, multiplied by this (training/after_fit/history.py).
    estimate: float = Field(default=1.3, ge=0)


class PriorRecipe(Record):
    """Products' popularity as a coordinate of their vectors, chosen on held-out purchases after the fit.

    See training/after_fit/popularity.py.
    """

    weights: tuple[Annotated[float, Field(gt=0, le=0.1)], ...] = (
        0.005,
        0.0075,
        0.01,
        0.0125,
        0.015,
        0.0175,
        0.02,
        0.03,
        0.04,
    )  # to choose from
    # The estimates to choose from for products that were never bought, as quantiles of those that were.
    floors: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0, 0.25, 0.5, 0.75)
    # By how many points the recall@100 of purchases of products with 3 or fewer purchases in training may fall.
    most_loss: float = Field(default=5.0, ge=0)
    by_query: bool = True  # whether queries may give popularity different weights, where that wins
    limit: float = Field(default=2.0, ge=1)  # the largest of these weights; without them, each query's is 1
    # By how many points the order of judged products may fall, where labels were held back from the fit.
    most_order_loss: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _check(self) -> "PriorRecipe":
        if not self.weights or not self.floors:
            raise ValueError("weights and floors must each name at least one number")
        return self


class Recipe(Record):
    """One model: its composition, which parts are trained, and how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    query: SideRecipe
    product: SideRecipe
    train: tuple[Part, ...] = ()  # the other parts are frozen
    bibert: AnyBertRecipe | None = None  # from scratch or pretrained; absent: taken from a fitted bundle
    clip: AnyClipRecipe | None = None  # likewise
    text_tower: str = "bibert"  # the recipe whose fitted bibert tower is meant, where it is taken from a bundle
    optimisation: Optimisation | None = None
    history: HistoryRecipe | None = None
    prior: PriorRecipe | None = None

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        towers = set(self.query.towers) | set(self.product.towers)
        kinds = {self.query.fusion.kind, self.product.fusion.kind}
        if "alpha" in kinds and len(kinds) > 1:
            raise ValueError("fusion alpha must stand on both sides")
        for part in self.train:
            if part != "fusion" and part not in towers:
                raise ValueError(f"train names {part}, but neither side has that tower")
        if bool({"mlp", "residual"} & kinds) != ("fusion" in self.train):
            raise ValueError("train must name fusion if a side has an mlp or a residual fusion, and only then")
        if bool(self.train) != (self.optimisation is not None):
            raise ValueError("optimisation must be given if train names a part, and only then")
        if self.optimisation and self.optimisation.catalog_queries and "bibert" not in self.product.towers:
            raise ValueError("catalog_queries is given, but the product side has no bibert, which reads their words")
        if self.history and "bibert" not in self.query.towers:
            raise ValueError(
                "history is given, but the query side has no bibert, by whose vectors queries are averaged"
            )
        if (
            self.history
            and self.history.of == "bought"
            and (self.prior is None or isinstance(self.query.fusion, AlphaSearch))
        ):
            raise ValueError(
                "history is of what was bought, which is judged together with popularity: give prior, and no alpha"
            )
        for name, given in (("bibert", self.bibert), ("clip", self.clip)):
            if given is not None and name not in towers:
                raise ValueError(f"{name} is given, but neither side has that tower")
            if isinstance(given, BertRecipe | ClipRecipe) and name not in self.train:
                raise ValueError(f"{name} is given as a tower to train from scratch, but train does not name it")
            if getattr(given, "lora", None) and name not in self.train:
                raise ValueError(f"lora is given for {name}, but train does not name it")
        return self

    def over_fitted(self, tower: TowerName) -> "Recipe":
        """Return the same with a tower that it makes and trains taken from a fitted bundle, as the start of its fit.

        Raises:
            RecipeError: the recipe trains adapters, which are for a pretrained tower alone.
        """
        given = {"bibert": self.bibert, "clip": self.clip}[tower]
        if given is None or tower not in self.train:
            return self
        if getattr(given, "lora", None):
            raise RecipeError(f"recipe {self.name} trains adapters (lora) of its own {tower}; leave --{tower} out")
        return self.model_copy(update={tower: None})

    @property
    def learns_from_judgments(self) -> bool:
        """Whether labels of training queries are used where there are some."""
        return self.optimisation is not None and self.optimisation.judgments is not None

    @property
    def fitted_towers(self) -> list[TowerName]:
        """Towers that are taken from a fitted bundle."""
        towers = dict.fromkeys((*self.query.towers, *self.product.towers))
        given = {"bibert": self.bibert, "clip": self.clip}
        return [tower for tower in towers if given[tower] is None]

    @property
    def scratch_parts(self) -> frozenset[Part]:
        """Parts that are trained from random weights."""
        scratch = {"bibert": isinstance(self.bibert, BertRecipe), "clip": isinstance(self.clip, ClipRecipe)}
        return frozenset(part for part in self.train if scratch.get(part, True))


def load_recipe(name_or_path: str) -> Recipe:
    """Return a recipe by its name, or from a .yaml file, with everything that it inherits by `extends`.

    Raises:
        RecipeError: there is no such recipe, or it has an unknown key or a bad value (all are named).
    """
    path = recipe_path(name_or_path)
    content = read_recipe(path)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path.name}: {describe_faults(error)}") from error
