"""Published values to compare with measured ones, and how they were measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from nfvae.experiments.tables.cells import Cell, Quantity
from nfvae.experiments.tables.results import BERNOULLI


@dataclass(frozen=True)
class Published:
    """A paper's table.

    Attributes:
        key: prefix of the source's columns in a file.
        label: name of the source in the head of a column.
        data: name of the data set.
        binarizations: binarizations that are comparable with the numbers.
        latent_dim: D.
        min_updates: smallest number of updates of a comparable run.
        protocol: how the numbers were measured, for a note below the table.
        digits: digits of each quantity after the decimal point.
        values: (flow, K) -> quantity -> nats per image.
    """

    key: str
    label: str
    data: str
    binarizations: frozenset[str]
    latent_dim: int
    min_updates: int
    protocol: str
    digits: Mapping[Quantity, int]
    values: Mapping[tuple[str, int], Mapping[Quantity, float]]

    def compares_with(self, cell: Cell) -> bool:
        """Whether data, binarization, likelihood, split, D and number of updates agree."""
        conditions = cell.conditions
        found = (conditions.data, conditions.likelihood, conditions.split, conditions.latent_dim)
        return (
            found == (self.data, BERNOULLI, "test", self.latent_dim)
            and conditions.binarization in self.binarizations
            and cell.steps[1] >= self.min_updates
        )

    def values_for(self, cell: Cell) -> Mapping[Quantity, float]:
        """The values for a cell's flow and K; empty if no value is comparable."""
        return self.values.get((cell.flow, cell.K), {}) if self.compares_with(cell) else {}


REZENDE_MOHAMED_2015 = Published(
    key="rezende_mohamed_2015",
    label="R&M 2015",
    data="mnist",
    binarizations=frozenset({"fixed", "static"}),
    latent_dim=40,
    min_updates=50_000,  # a tenth of the paper's
    protocol=(
        "Rezende & Mohamed 2015, binarized MNIST (whose draw need not be the one used here), "
        "networks of 400 maxout units, 500,000 updates of RMSprop, no deviations given; NLL from "
        "table 2, S = 200, printed as upper bounds; −ELBO and gap read off figure 4, ±0.03"
    ),
    digits={"neg_elbo": 2, "nll": 1, "gap": 2},
    values={
        ("none", 0): {"neg_elbo": 96.74, "gap": 6.82, "nll": 89.9},
        ("planar", 10): {"neg_elbo": 93.57, "gap": 6.04, "nll": 87.5},
        ("planar", 20): {"neg_elbo": 91.97, "gap": 5.42, "nll": 86.5},
        ("planar", 40): {"neg_elbo": 90.63, "gap": 4.86, "nll": 85.7},
        ("planar", 80): {"neg_elbo": 89.60, "gap": 4.43, "nll": 85.1},
        ("nice", 10): {"neg_elbo": 94.87, "gap": 6.27, "nll": 88.6},
        ("nice", 20): {"neg_elbo": 93.93, "gap": 6.01, "nll": 87.9},
        ("nice", 40): {"neg_elbo": 93.03, "gap": 5.70, "nll": 87.3},
        ("nice", 80): {"neg_elbo": 92.83, "gap": 5.56, "nll": 87.2},
    },
)

PUBLISHED = (REZENDE_MOHAMED_2015,)
