"""Encoder, flow posterior and decoder put together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nfvae.flows import Flow
from nfvae.networks import mlp
from nfvae.networks.mlp import Activation
from nfvae.posterior import FlowPosterior

START_LOG_SCALE = -1.0


class VAE(nn.Module):
    """p(x, z) = p(x|z) N(z; 0, I) with q(z|x) = q0(z_0|x) pushed through an amortized flow.

    Args:
        flow: the posterior's flow on R^D; D is the latent dimension.
        pixel_mean: [P], training-set probability of a 1 at each pixel, strictly inside (0, 1);
            the decoder's output bias starts at its log-odds.
        hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
        activation: of the hidden layers.
    """

    def __init__(
        self,
        flow: Flow,
        pixel_mean: Tensor,
        hidden: Sequence[int] = (400, 400),
        activation: Activation = "silu",
    ) -> None:
        super().__init__()
        dim, pixels = flow.dim, pixel_mean.numel()
        self.latent_dim = dim
        self.flow = flow
        self.encoder = mlp(pixels, hidden, activation)
        self.head = _head(hidden[-1], flow)
        self.decoder = mlp(dim, hidden[::-1], activation)
        self.output = nn.Linear(hidden[0], pixels)
        nn.init.xavier_normal_(self.output.weight)
        with torch.no_grad():
            self.output.bias.copy_(pixel_mean.logit())

    def posterior(self, x: Tensor) -> FlowPosterior:
        """q(z|x) for binary images x [B, P]."""
        loc, log_scale, params = self.head(self.encoder(x)).split(
            [self.latent_dim, self.latent_dim, self.flow.param_size], dim=-1
        )
        return FlowPosterior(loc, log_scale, self.flow, params, validate_args=False)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of p(x|z): [*, D] -> [*, P]."""
        logits: Tensor = self.output(self.decoder(z))
        return logits

    @torch.no_grad()
    def generate(self, num_images: int, generator: torch.Generator | None = None) -> Tensor:
        """Pixel probabilities of new images, [num_images, P].

        Decodes z ~ N(0, I): the flow is part of the posterior, not of the prior. No gradient.
        """
        weight = self.output.weight
        z = torch.randn(
            num_images,
            self.latent_dim,
            dtype=weight.dtype,
            device=weight.device,
            generator=generator,
        )
        return self.decode(z).sigmoid()


def _head(in_size: int, flow: Flow) -> nn.Linear:
    """The encoder's last layer: loc, log_scale and the flow's parameters by one product.

    It starts at the flow's own starting point and a narrow q0 up to small weights. Narrow, since
    with q0 = N(0, I) the decoder first learns to ignore z, and a flow of many steps then never
    gets it back.
    """
    head = nn.Linear(in_size, 2 * flow.dim + flow.param_size)
    with torch.no_grad():
        nn.init.normal_(head.weight, std=0.1 * in_size**-0.5)
        head.weight[: flow.dim].mul_(10)  # loc must tell images apart from the first step
        log_scale = torch.full((flow.dim,), START_LOG_SCALE)
        head.bias.copy_(torch.cat([torch.zeros(flow.dim), log_scale, flow.initial_params()]))
    return head
