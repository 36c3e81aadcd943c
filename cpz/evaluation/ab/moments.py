"""One scan of the units: the sums that all metrics ask for, by variant and look.

A metric declares which products of its columns it needs; the wishes of all metrics are merged, and
the mathematics above sees counts, means and central moments only, never a row. Sums are taken of
differences from a fixed anchor near the mean, so that variances do not cancel.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cpz.evaluation.ab.scaled_column import scaled
from cpz.evaluation.ab.summation import GroupSums, Products, group_sums
from cpz.ingest.experiments.units import UnitTable

#: A product of columns by name, sorted: ("x",), ("x", "y") or ("x", "x", "y").
Monomial = tuple[str, ...]


def monomials(*columns: str | None, degree: int) -> set[Monomial]:
    """Return every product of up to `degree` of the columns; None stands for the constant 1.

    >>> sorted(monomials("x", None, degree=2))
    [('x',), ('x', 'x')]
    """
    names = sorted({name for name in columns if name is not None})
    found: set[Monomial] = {(name,) for name in names}
    for _ in range(degree - 1):
        found |= {tuple(sorted((*product, name))) for product in found for name in names}
    return found


@dataclass(frozen=True, slots=True)
class Moments:
    """Counts and moments of one group of units.

    Attributes:
        n: units.
        anchor: per column the value that was subtracted.
        sums: per product the sum over units of products of (column - anchor).
    """

    n: int
    anchor: Mapping[str, float]
    sums: Mapping[Monomial, float]

    def mean(self, column: str | None) -> float:
        """Return a column's mean; 1 for None; NaN without units."""
        if column is None:
            return 1.0
        return self.anchor[column] + self._shift(column) if self.n else math.nan

    def cov(self, left: str | None, right: str | None) -> float:
        """Return the sample covariance (n - 1), 0 with a constant; NaN below two units."""
        if left is None or right is None:
            return 0.0
        if self.n < 2:
            return math.nan
        pair = (left, right) if left <= right else (right, left)
        total = self.sums[pair] - self.n * self._shift(left) * self._shift(right)
        # below its own rounding a variance is 0, not negative
        return max(total, 0.0) / (self.n - 1) if left == right else total / (self.n - 1)

    def third(self, a: str, b: str, c: str) -> float:
        """Return the third central moment mean((a - mean a)(b - mean b)(c - mean c))."""
        da, db, dc = (self._shift(name) for name in (a, b, c))
        ab, ac, bc = (self._raw(*pair) for pair in ((a, b), (a, c), (b, c)))
        return self._raw(a, b, c) - ab * dc - ac * db - bc * da + 2 * da * db * dc

    def _shift(self, column: str) -> float:
        return self.sums[(column,)] / self.n

    def _raw(self, *columns: str) -> float:
        return self.sums[tuple(sorted(columns))] / self.n


@dataclass(frozen=True, slots=True)
class Collected:
    """The sums of all units by variant and look: group = variant * looks + look."""

    n_variants: int
    n_looks: int
    anchor: Mapping[str, float]
    products: tuple[Monomial, ...]
    by_group: GroupSums

    def moments(self, *arms: int, look: int | None = None) -> Moments:
        """Return the moments of some variants together, up to and including a look (all: None)."""
        last = self.n_looks if look is None else look + 1
        groups = [arm * self.n_looks + index for arm in arms for index in range(last)]
        n, sums = self.by_group.merged(groups)
        return Moments(n, self.anchor, dict(zip(self.products, sums.tolist(), strict=True)))

    def counts(self, look: int | None = None) -> list[int]:
        """Return the units of each variant, up to and including a look."""
        table = self.by_group.n.reshape(self.n_variants, self.n_looks)
        last = self.n_looks if look is None else look + 1
        return [int(total) for total in table[:, :last].sum(axis=1)]

    def cumulative(self) -> "Collected":
        """Return the same with each look holding all before it; exact, as adding sums is."""
        shape = (len(self.by_group.parts), self.n_variants, self.n_looks, len(self.products))
        parts = np.cumsum(self.by_group.parts.reshape(shape), axis=2)
        n = np.cumsum(self.by_group.n.reshape(shape[1:3]), axis=1)
        flat = parts.reshape(self.by_group.parts.shape)
        sums = GroupSums(n.reshape(-1), flat, self.by_group.exponents)
        return Collected(self.n_variants, self.n_looks, self.anchor, self.products, sums)

    def at(self, look: int, *arms: int) -> Moments:
        """Return the moments of variants at one look; of a cumulative value: up to that look."""
        n, sums = self.by_group.merged([arm * self.n_looks + look for arm in arms])
        return Moments(n, self.anchor, dict(zip(self.products, sums.tolist(), strict=True)))


def collect(units: UnitTable, wanted: Iterable[Monomial]) -> Collected:
    """Scan the units once for all wanted products; missing covariates count as the mean."""
    products = sorted(_with_prefixes(wanted), key=lambda one: (len(one), one))
    names = sorted({name for product in products for name in product})
    columns = {name: scaled(units.columns[name]) for name in names}
    place = {product: index for index, product in enumerate(products)}
    layout = Products(
        tuple(place[product[:-1]] if len(product) > 1 else -1 for product in products),
        tuple(names.index(product[-1]) for product in products),
    )
    n_looks = len(units.looks)
    # at most 50 variants and 1,000 looks: 16 bits hold every group
    group = units.arm if n_looks == 1 else units.arm.astype(np.uint16) * n_looks + units.look
    sums = group_sums(list(columns.values()), layout, group, len(units.variants) * n_looks)
    anchor = {name: column.anchor for name, column in columns.items()}
    return Collected(len(units.variants), n_looks, anchor, tuple(products), sums)


def _with_prefixes(wanted: Iterable[Monomial]) -> set[Monomial]:
    return {product[:length] for product in wanted for length in range(1, len(product) + 1)}
