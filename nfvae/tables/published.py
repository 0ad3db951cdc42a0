"""Published values to stand beside measured ones, each with the protocol it was measured by."""

from collections.abc import Mapping
from dataclasses import dataclass

from nfvae.tables.cells import Quantity
from nfvae.tables.results import Conditions


@dataclass(frozen=True)
class Published:
    """A paper's table.

    Attributes:
        label: names the source in a column's head.
        protocol: how the numbers came about, for a note below the table.
        values: (flow, K) -> quantity -> nats per image.
    """

    label: str
    data: str
    latent_dim: int
    protocol: str
    values: Mapping[tuple[str, int], Mapping[Quantity, float]]

    def fits(self, conditions: Conditions) -> bool:
        """Same data and latent dimension; binarization and S are for `protocol` to tell."""
        return (self.data, self.latent_dim) == (conditions.data, conditions.latent_dim)


REZENDE_MOHAMED_2015 = Published(
    label="R&M 2015",
    data="mnist",
    latent_dim=40,
    protocol=(
        "Rezende & Mohamed 2015, binarized MNIST (a draw of their own), maxout networks of 400 "
        "units, 500,000 updates of RMSprop; one value a cell, without a deviation. NLL from table "
        "2, printed as upper bounds, S = 200; −ELBO and gap read off figure 4, ±0.03"
    ),
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
