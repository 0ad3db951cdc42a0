"""Published values to stand beside measured ones, each with the protocol it was measured by."""

from collections.abc import Mapping
from dataclasses import dataclass

from nfvae.experiments.tables.cells import Quantity
from nfvae.experiments.tables.results import Conditions


@dataclass(frozen=True)
class Published:
    """A paper's table.

    Attributes:
        key: names the source in a file's column.
        label: names it in the head of a column.
        protocol: how the numbers came about, for a note below the table.
        digits: that a quantity was given with, after the point.
        values: (flow, K) -> quantity -> nats per image.
    """

    key: str
    label: str
    data: str
    latent_dim: int
    protocol: str
    digits: Mapping[Quantity, int]
    values: Mapping[tuple[str, int], Mapping[Quantity, float]]

    def fits(self, conditions: Conditions) -> bool:
        """Same data, test split and latent dimension; `protocol` tells of binarization and S."""
        ours = (conditions.data, conditions.split, conditions.latent_dim)
        return ours == (self.data, "test", self.latent_dim)


REZENDE_MOHAMED_2015 = Published(
    key="rezende_mohamed_2015",
    label="R&M 2015",
    data="mnist",
    latent_dim=40,
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
