"""Published values to compare with measured ones, and how they were measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from nfvae.experiments.tables.cells import Cell, Quantity
from nfvae.experiments.tables.results import BERNOULLI, MLP, STANDARD_NORMAL, Conditions

Values = Mapping[Quantity, str]  # in nats per image, as printed: "84.45 ± 0.12"


@dataclass(frozen=True)
class Published:
    """Numbers of perceptrons with a Bernoulli likelihood, trained without validation images."""

    key: str
    """Prefix of the source's columns in a file."""
    label: str
    """Name of the source in the head of a column."""
    data: str
    binarization: str
    latent_dim: int
    min_updates: int
    """Smallest number of updates of a comparable run."""
    protocol: str
    """For a note: the publication, the table or figure of each number, and how it was measured."""
    values: Mapping[tuple[str, int], Values]
    """By flow and K."""
    others: Mapping[str, Values] = field(default_factory=dict)
    """Models that this project does not have, by a description."""
    also_beside: frozenset[str] = frozenset()
    """Other binarizations whose numbers may stand beside these, with a mark."""

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities that it gives, in the order of a table."""
        return [name for name in get_args(Quantity) if any(name in v for v in self.values.values())]

    def compares_with(self, cell: Cell) -> bool:
        """Whether data, kinds of model, split, D and the number of updates agree."""
        found = cell.conditions
        of_cell = (found.data, found.likelihood, cell.first.model, cell.first.prior, found.split)
        return (
            of_cell == (self.data, BERNOULLI, MLP, STANDARD_NORMAL, "test")
            and found.latent_dim == self.latent_dim
            and found.binarization in self.also_beside | {self.binarization}
            and cell.steps[1] >= self.min_updates
        )

    def values_for(self, cell: Cell) -> Values:
        """The values for a cell's flow and K; empty if no value is comparable."""
        return self.values.get((cell.flow, cell.K), {}) if self.compares_with(cell) else {}

    def is_beside(self, cell: Cell) -> bool:
        """Whether it has a number to compare with a cell: of the same flow and K, or of others."""
        return self.compares_with(cell) and bool(self.values_for(cell) or self.others)

    def differences(self, conditions: Conditions) -> list[str]:
        """How comparable numbers differ from these; empty if they are like for like."""
        found = []
        if conditions.binarization != self.binarization:
            found.append(f"{conditions.binarization} bits here, {self.binarization} bits there")
        if conditions.train_on_val:
            found.append("trained on the validation images here, not there")
        return found


def number(value: str) -> float:
    """The number in a printed value, without its deviation."""
    return float(value.partition(" ±")[0])


REZENDE_MOHAMED_2015 = Published(
    key="rezende_mohamed_2015",
    label="R&M 2015",
    data="mnist",
    binarization="static",
    also_beside=frozenset({"fixed"}),
    latent_dim=40,
    min_updates=50_000,  # a tenth of the paper's
    protocol=(
        "Rezende & Mohamed 2015, networks of 400 maxout units, 500,000 updates of RMSprop, no "
        "deviations given; NLL from table 2, S = 200, printed as upper bounds; −ELBO and gap read "
        "off figure 4, ±0.03"
    ),
    values={
        ("none", 0): {"neg_elbo": "96.74", "gap": "6.82", "nll": "89.9"},
        ("planar", 10): {"neg_elbo": "93.57", "gap": "6.04", "nll": "87.5"},
        ("planar", 20): {"neg_elbo": "91.97", "gap": "5.42", "nll": "86.5"},
        ("planar", 40): {"neg_elbo": "90.63", "gap": "4.86", "nll": "85.7"},
        ("planar", 80): {"neg_elbo": "89.60", "gap": "4.43", "nll": "85.1"},
        ("nice", 10): {"neg_elbo": "94.87", "gap": "6.27", "nll": "88.6"},
        ("nice", 20): {"neg_elbo": "93.93", "gap": "6.01", "nll": "87.9"},
        ("nice", 40): {"neg_elbo": "93.03", "gap": "5.70", "nll": "87.3"},
        ("nice", 80): {"neg_elbo": "92.83", "gap": "5.56", "nll": "87.2"},
    },
)

REPRODUCTION = Published(
    key="reproduction",
    label="reproduction",
    data="mnist",
    binarization="static",
    latent_dim=40,
    min_updates=50_000,
    protocol=(
        "a public reproduction of table 2 of Rezende & Mohamed 2015, networks of two layers of 400 "
        "ReLUs, means of n = 3 seeds; no paper, deviations and S not known"
    ),
    values={
        ("none", 0): {"neg_elbo": "98.14", "nll": "92.58"},
        ("planar", 10): {"neg_elbo": "93.48", "nll": "88.95"},
        ("planar", 20): {"neg_elbo": "92.28", "nll": "88.09"},
        ("planar", 40): {"neg_elbo": "91.34", "nll": "87.45"},
        ("planar", 80): {"neg_elbo": "90.86", "nll": "87.09"},
        ("sylvester_orthogonal", 10): {"neg_elbo": "91.03", "nll": "87.20"},
    },
)

NOROUZI_2020 = Published(
    key="norouzi_2020",
    label="Norouzi 2020",
    data="mnist",
    binarization="dynamic",
    latent_dim=40,
    min_updates=50_000,
    protocol=(
        "Norouzi, Fleet & Norouzi 2020 (Exemplar VAE, arXiv 2004.04795), table of density "
        "estimation on dynamic MNIST, networks of two gated layers of 300 units, one layer of "
        "latents, S = 5,000, mean ± standard deviation over n = 3 seeds; VampPrior and exemplar "
        "prior are learned"
    ),
    values={("none", 0): {"nll": "84.45 ± 0.12"}},
    others={
        "none, VampPrior": {"nll": "82.43 ± 0.06"},
        "none, exemplar prior": {"nll": "82.09 ± 0.18"},
    },
)

PUBLISHED = (REZENDE_MOHAMED_2015, REPRODUCTION, NOROUZI_2020)
