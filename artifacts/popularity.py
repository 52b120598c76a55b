"""The popularity of products as one more coordinate of their vectors, beside their content.

In a product side's folder, absent if the model has no prior:
    popularity.parquet        product_id (str, distinct), prior (float32); the key-value metadata `estimate` has the
                              prior of products without a row, such as new ones

With x the unit vector of a product's content, g its prior, q the unit vector of a query, and l >= 0 the weight that the
query gives to popularity, vectors and scores are

    product   (sqrt(1 - G^2) x, g, sqrt(G^2 - g^2), 0, ...)
    query     (q, l, 0, 0, ...) / sqrt(1 + l^2)
    score     (sqrt(1 - G^2) cos(q, x) + l g) / sqrt(1 + l^2)

All vectors have unit length, so that the index stays one of cosines. G, the reach, is at least the |g| of every
product. The coordinate after g fills a product's vector up, so that the content of all products has the same length:
with l = 0, products are ranked exactly by the cosines of their content. (So inner products are reduced to distances in
Bachrach et al., Speeding Up the Xbox Recommender System, RecSys 2014.) The zeros make the width a multiple of 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.errors import FormatError
from artifacts.side import SideSpec
from artifacts.tables import read_schema, read_table

POPULARITY_FILE = "popularity.parquet"
MOST_REACH = 0.25
_MULTIPLE = 8  # of which the width is one, for the vector instructions of CPUs
_ESTIMATE_KEY = b"estimate"

Vectors = npt.NDArray[np.float32]


def columns_after(content_width: int) -> int:
    """Return how many columns popularity takes after those of the content: two or more, up to a multiple of 8."""
    return 2 + -(content_width + 2) % _MULTIPLE


@dataclass(frozen=True)
class PriorColumns:
    """Where popularity lies in the vectors of a model.

    Attributes:
        content: D, the number of columns before it; popularity's own column is the D-th, counted from 0.
        columns: number of columns from there on.
        reach: G, which no product's prior exceeds.
    """

    content: int
    columns: int
    reach: float

    @classmethod
    def of(cls, query_side: SideSpec) -> "PriorColumns | None":
        """Return the columns of a model by its query side; None if the model has no prior."""
        prior = query_side.prior
        return cls(query_side.content_width, prior.columns, prior.reach) if prior else None

    @property
    def content_length(self) -> float:
        """The length of the content's part of every product's vector, sqrt(1 - G^2)."""
        return float(np.sqrt(1 - self.reach**2))

    def products(self, content: Vectors, priors: npt.NDArray[np.float32]) -> Vectors:
        """Return products' vectors: unit vectors of their content, (m, D), and priors, (m,), to (m, width)."""
        vectors = np.zeros((len(content), self.content + self.columns), np.float32)
        vectors[:, : self.content] = content * np.float32(self.content_length)
        vectors[:, self.content] = priors
        vectors[:, self.content + 1] = np.sqrt(np.maximum(self.reach**2 - priors.astype(np.float64) ** 2, 0))
        return vectors

    def content_of(self, vectors: Vectors) -> Vectors:
        """Return the unit vectors of the content alone: (..., width) to (..., D)."""
        content = vectors[..., : self.content]
        return content / _lengths(content)

    def scale(self, vectors: Vectors, share: float) -> Vectors:
        """Return queries' unit vectors with the weight of popularity multiplied by a share from 0 to 1, same shape."""
        scaled = vectors.copy()
        scaled[..., self.content] *= share
        return scaled / _lengths(scaled)

    def content_queries(self, vectors: Vectors) -> Vectors:
        """Return queries that ask for the content of vectors alone: scores are the cosines of content, same shape."""
        queries = np.zeros_like(vectors)
        queries[..., : self.content] = self.content_of(vectors) / np.float32(self.content_length)
        return queries

    def explain(self, query: Vectors, products: Vectors) -> dict[str, Vectors]:
        """Tell apart what the content and what popularity gives to scores.

        Args:
            query: the vector of a query, (width,).
            products: the vectors of the products that it found, (k, width).

        Returns:
            "cosine", the cosines of their content, and "prior", popularity's part of the scores; each (k,).
        """
        cosines = self.content_of(products) @ self.content_of(query)
        return {"cosine": cosines, "prior": products[:, self.content] * query[self.content]}


@dataclass(frozen=True, eq=False)
class ProductPriors:
    """The priors of products.

    Attributes:
        product_ids: n distinct strings.
        values: (n,) float32, none beyond the reach.
        estimate: the prior of all other products.
        columns: where the priors lie in vectors.
    """

    product_ids: pa.Array
    values: npt.NDArray[np.float32]
    estimate: float
    columns: PriorColumns

    def add_to(self, vectors: Vectors, product_ids: Sequence[str] | pa.Array) -> Vectors:
        """Return the unit vectors of products with their prior, (m, width).

        Args:
            vectors: (m, D) unit vectors of the products' content; not changed.
            product_ids: the products' ids.
        """
        return self.columns.products(vectors, self.of(self.rows(product_ids)))

    def rows(self, product_ids: Sequence[str] | pa.Array) -> npt.NDArray[np.int64]:
        """Return the rows of these products, (m,), or -1 for products without one."""
        found = pc.index_in(pa.array(product_ids, pa.string()), value_set=self.product_ids)
        rows: npt.NDArray[np.int64] = found.fill_null(-1).to_numpy().astype(np.int64)
        return rows

    def of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the priors of products whose rows `rows` has found, (m,)."""
        return np.append(self.values, np.float32(self.estimate))[rows]  # -1 is the last one


def write_priors(folder: Path, priors: ProductPriors) -> None:
    """Write priors into a product side's folder."""
    table = pa.table({"product_id": priors.product_ids, "prior": pa.array(priors.values, pa.float32())})
    estimate = repr(float(priors.estimate)).encode()
    pq.write_table(table.replace_schema_metadata({_ESTIMATE_KEY: estimate}), folder / POPULARITY_FILE)


def read_priors(folder: Path, query_side: SideSpec) -> ProductPriors | None:
    """Read the priors of a product side whose files are verified; None if the model has none.

    Args:
        folder: the product side's folder.
        query_side: the content of the query side's side.json.

    Raises:
        DamagedError: the file is missing or cannot be read.
        FormatError: a column or the estimate is missing, a prior is not finite or beyond the reach, or the query side
            knows nothing of the priors.
    """
    path, columns = folder / POPULARITY_FILE, PriorColumns.of(query_side)
    if columns is None:
        if path.exists():
            raise FormatError(f"{path} has the popularity of products, but the query side's side.json has no prior")
        return None
    table = read_table(path, {"product_id": pa.string(), "prior": pa.float32()}).combine_chunks()
    ids, column = (table[name].combine_chunks() for name in ("product_id", "prior"))
    values, estimate = column.to_numpy(zero_copy_only=False), _estimate(path)
    if not (np.abs(np.append(values, np.float32(estimate))) <= np.float32(columns.reach)).all():  # NaN is none
        raise FormatError(f"{path} has a prior that is no number from {-columns.reach:g} to {columns.reach:g}")
    return ProductPriors(ids, values, estimate, columns)


def _estimate(path: Path) -> float:
    found = (read_schema(path).metadata or {}).get(_ESTIMATE_KEY)
    try:
        return float(found or b"")
    except ValueError as error:
        raise FormatError(f"{path} lacks the number `estimate` in its key-value metadata") from error


def _lengths(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(lengths > 0, lengths, np.float32(1))
