"""The limits of the gate (index_builder/versions/gate.py)."""

from dataclasses import dataclass, fields

from index_builder.core.errors import OptionError

# The least strict recall, as a share of the least tie-tolerant recall. Operating points of sound versions have 0.92 to
# 0.99 of it (40,000 to 3.38 million products of two shops), their curves 0.86 or more. Copies of products lower it:
# which of them are found is chance. By a half, every product may have 200 equal copies.
STRICT_SHARE = 0.5


@dataclass(frozen=True)
class GateLimits:
    """The limits of the gate, shares from 0 to 1, and which changes are meant.

    Attributes:
        least_recall: least tie-tolerant recall@100 at the operating point; None for the target that the version was
            built for.
        least_strict_recall: least strict recall@100 there, in which ties do not count; None for STRICT_SHARE of the
            least tie-tolerant one.
        most_without_photo: largest share of products without a usable photo, where the model reads photos.
        most_photo_rise: by how much that share may exceed that of the published version.
        most_product_drop: largest share of the published version's product count that may be lost.
        least_canary_overlap: least share of the expected products of the published version's canary queries that the
            new version must find too, where both are of one model.
        least_new_model_overlap: the same where the models differ.
        most_without_title: largest share of products whose title is null or blank.
        most_vector_similarity: largest mean cosine of the vectors of two products.
        new_model: whether the model may be another than that of the published version.
        new_columns: whether attribute columns of the published version may be missing, empty or of another type.

    Raises:
        OptionError: a limit is out of range.
    """

    least_recall: float | None = None
    least_strict_recall: float | None = None
    most_without_photo: float = 0.5
    most_photo_rise: float = 0.05
    most_product_drop: float = 0.2
    # Where 20 % of the products are lost and as many are new, 0.8 * 0.8 of an answer is left.
    least_canary_overlap: float = 0.6
    # Random weights kept 7.5 % of a good model's answers, by words that titles share. On the sample shop 3tmm-history
    # keeps 61 % of bibert's, and the CLIP that it was fitted from 27 % of 3tmm-history's.
    least_new_model_overlap: float = 0.15
    most_without_title: float = 0.1
    most_vector_similarity: float = 0.98
    new_model: bool = False
    new_columns: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 <= value <= 1:
                raise OptionError(f"{field.name.replace('_', '-')}: expected a share from 0 to 1, got {value:g}")
