"""The interface of likelihoods: p(x|z) of an image, given the decoder's output.

Shapes: x [*, C, H, W]; parameters [*, C·p, H, W] from the decoder, p numbers for each channel of
each pixel. x broadcasts over leading axes, so that one image can be used with many samples of z.
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from nfvae.images import Values
from nfvae.registry import Registry

Measure = Literal["mass", "density"]
"""Whether a likelihood's log_prob is the logarithm of a probability or of a density.

`mass`: a probability of pixel values; nats divided by (number of pixels · log 2) are bits per
    dimension.
`density`: a density with respect to x. Its logarithm depends on the unit of x, can be positive, and
    is not comparable with that of a mass; there are no bits per dimension.
"""


class Likelihood(nn.Module, ABC):
    """p(x|z), with pixels that are independent given z.

    A subclass has the three attributes below as class attributes, or sets them in its constructor
    if they depend on its options.

    >>> class Normal(Likelihood):  # of real-valued pixels, with standard deviation 0.1
    ...     parameters_per_channel = 1
    ...     accepts = ("reals",)
    ...     measure = "density"
    ...
    ...     def log_prob(self, parameters, x):
    ...         return torch.distributions.Normal(parameters, 0.1).log_prob(x).sum((-3, -2, -1))
    ...
    ...     def mean(self, parameters):
    ...         return parameters
    ...
    ...     def sample(self, parameters, generator=None):
    ...         return parameters + 0.1 * torch.randn(parameters.shape, generator=generator)
    ...
    ...     def initial_parameters(self, mean):
    ...         return mean
    ...
    ...     def check(self, x):
    ...         if not x.isfinite().all():
    ...             raise ValueError("pixels must be finite, and these are not")
    >>> Normal().log_prob(torch.zeros(5, 1, 4, 4), torch.zeros(5, 1, 4, 4)).shape
    torch.Size([5])
    """

    parameters_per_channel: int
    """p, how many numbers the decoder gives for each channel of each pixel."""
    accepts: tuple[Values, ...]
    """The kinds of pixel values that it models."""
    measure: Measure = "mass"
    """Whether `log_prob` is the logarithm of a mass or of a density, in nats."""

    @abstractmethod
    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) in nats, summed over pixels: [*, C·p, H, W], [*, C, H, W] -> [*]."""

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """E[x|z]: [*, C·p, H, W] -> [*, C, H, W]."""

    @abstractmethod
    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x ~ p(x|z): [*, C·p, H, W] -> [*, C, H, W]."""

    @abstractmethod
    def initial_parameters(self, mean: Tensor) -> Tensor:
        """Initial output of a decoder for data with this mean: [C, H, W] -> [C·p, H, W]."""

    @abstractmethod
    def check(self, x: Tensor) -> None:
        """Check the values of images.

        Raises:
            ValueError: the likelihood does not accept these values.
        """

    def split(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """The p parameters of each pixel: [*, C·p, H, W] -> p tensors [*, C, H, W].

        The decoder's first C channels are the first parameter, the next C the second, and so on.
        """
        return torch.unflatten(parameters, -3, (self.parameters_per_channel, -1)).unbind(-4)


LIKELIHOODS = Registry("likelihood")
register = LIKELIHOODS.register
