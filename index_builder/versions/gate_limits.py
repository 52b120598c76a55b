"""The limits that the gate holds a version to (index_builder/versions/gate.py)."""

from dataclasses import dataclass, fields

from index_builder.core.errors import OptionError


@dataclass(frozen=True)
class GateLimits:
    """The limits of the gate, all of them shares from 0 to 1.

    Attributes:
        least_recall: tie-tolerant recall@100 at the operating point; None for the target that the version was
            built for.
        most_without_photo: products without a usable photo, where the model reads photos.
        most_photo_rise: by how much that share may exceed the published version's.
        most_product_drop: share of the published version's product count that may be lost.
        least_canary_overlap: share of the products that exact search gives for the published version's canary
            queries, which the new version should find too; asked only where both are of one model.

    Raises:
        OptionError: one is out of range.
    """

    least_recall: float | None = None
    most_without_photo: float = 0.5
    most_photo_rise: float = 0.05
    most_product_drop: float = 0.2
    # With as many products lost as may be, and as many new ones, 0.8 * 0.8 of an answer is left.
    least_canary_overlap: float = 0.6

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 <= value <= 1:
                raise OptionError(f"{field.name.replace('_', '-')}: expected a share from 0 to 1, got {value:g}")
