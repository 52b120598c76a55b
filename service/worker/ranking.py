"""What a search found for one query, before it is rendered."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

ModalityValues = dict[str, npt.NDArray[np.float32]]  # for each modality (`text`, `photo`) a value of each hit, (k,)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the title and the photo of each hit contributed.

    Attributes:
        kind: `scores` if the modalities of a hit and its popularity add up to its score; `cosines` if they are the
            cosines of the query and the product in each tower; `rankings` if they are what each ranking adds.
        values: the values of all hits for each modality; NaN where a hit has nothing to compare. In a version with
            popularity also `cosine`, that of the content, and `prior`, popularity's share of the score.
    """

    kind: Literal["scores", "cosines", "rankings"]
    values: ModalityValues


@dataclass(frozen=True, eq=False)
class Ranking:
    """The page of products that one query asked for.

    Attributes:
        rows: row numbers of the products, best first, without padding. Shape (k,) or shorter.
        scores: the scores of these products, in descending order. Same shape.
        first_rank: the rank of the first of them.
        total_matches: how many products meet the filters; None if the query had none.
        explanation: what explains the scores; None unless the query asked for it.
        corrected: the text that was searched for, if it is another than the one that was typed.
        words_seconds: how long the search by words took.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    first_rank: int = 1
    total_matches: int | None = None
    explanation: Explanation | None = None
    corrected: str | None = None
    words_seconds: float = 0.0
