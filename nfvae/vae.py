"""The variational autoencoder: encoder, flow posterior, decoder, likelihood and prior together."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nfvae.flows import Flow
from nfvae.images import ImageShape, Values
from nfvae.likelihoods import Likelihood
from nfvae.networks import Decoder, Encoder
from nfvae.posterior import FlowPosterior
from nfvae.precision import no_autocast
from nfvae.priors import Prior, StandardNormal

INITIAL_LOG_SCALE = -1.0


class VAE(nn.Module):
    """p(x, z) = p(x|z) p(z) with q(z|x): a diagonal Gaussian q0(z_0|x) transformed by a flow.

    A linear head on the encoder's features gives q0's location and log-scale and the flow's
    parameters, one set per image. Under torch.autocast only encoder and decoder use the lower
    precision.

    Args:
        encoder: images [B, C, H, W] -> features [B, encoder.num_features].
        flow: a flow on R^D; D is the latent dimension.
        decoder: latents [*, D] -> the likelihood's parameters [*, C·p, H, W].
        likelihood: p(x|z).
        prior: p(z); None is N(0, I).

    Raises:
        ValueError: the decoder takes another number of latents than the flow gives.

    >>> from nfvae import Bernoulli, Planar, networks
    >>> encoder, decoder = networks.mlp((1, 28, 28), latent_dim=40)
    >>> vae = VAE(encoder, Planar(40, 16), decoder, Bernoulli())
    >>> vae.sample(3).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(
        self,
        encoder: Encoder,
        flow: Flow,
        decoder: Decoder,
        likelihood: Likelihood,
        prior: Prior | None = None,
    ) -> None:
        super().__init__()
        for part, kind in ((flow, Flow), (decoder, Decoder), (likelihood, Likelihood)):
            if not isinstance(part, kind):
                raise TypeError(f"a VAE needs a {kind.__name__} here, got {type(part).__name__}")
        if decoder.latent_dim not in (None, flow.dim):
            raise ValueError(
                f"the flow has {flow.dim} latents, but the decoder needs {decoder.latent_dim}"
            )
        self.latent_dim = flow.dim
        self.flow = flow
        self.encoder = encoder
        self.head = make_head(encoder.num_features, flow)
        self.decoder = decoder
        self.likelihood = likelihood
        self.prior = StandardNormal(flow.dim) if prior is None else prior

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W)."""
        return self.decoder.image_shape

    def posterior(self, x: Tensor, validate_args: bool = True) -> FlowPosterior:
        """q(z|x) for images x [B, C, H, W].

        Args:
            x: images with values that the likelihood accepts.
            validate_args: check shape and values of x. Training and estimates skip this: they
                check the data set once, by `check_data`.

        Raises:
            ValueError: x has another shape or values that the likelihood does not accept.
        """
        if validate_args:
            self.check(x)
        features = self.encoder(x)
        with no_autocast(features.device.type):
            packed = self.head(features.to(self.head.weight.dtype))
        loc, log_scale, params = packed.split(
            [self.latent_dim, self.latent_dim, self.flow.param_size], dim=-1
        )
        return FlowPosterior(loc, log_scale, self.flow, params, validate_args=False)

    def check(self, x: Tensor) -> None:
        """Check the shape and the values of images.

        Raises:
            ValueError: the images do not fit this model.
        """
        if x.dim() != 4 or x.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must have shape [B, {', '.join(map(str, self.image_shape))}], "
                f"got {list(x.shape)}"
            )
        if not x.is_floating_point():
            raise ValueError(f"images must be floating point, got {x.dtype}; use x.float()")
        self.likelihood.check(x)

    def check_data(self, image_shape: ImageShape, values: Values) -> None:
        """Check that a data set fits this model.

        Args:
            image_shape: (C, H, W) of its images.
            values: the kind of its pixel values.

        Raises:
            ValueError: the shape is another one, or the likelihood does not accept the values.
        """
        if image_shape != self.image_shape:
            raise ValueError(
                f"the data are images of shape {list(image_shape)}, but the model needs "
                f"{list(self.image_shape)}"
            )
        if values not in self.likelihood.accepts:
            raise ValueError(
                f"the data are {values}, but {type(self.likelihood).__name__} needs "
                f"{' or '.join(self.likelihood.accepts)}"
            )

    def decode(self, z: Tensor) -> Tensor:
        """The likelihood's parameters: [*, D] -> [*, C·p, H, W].

        Raises:
            ValueError: the decoder does not give the parameters that the likelihood needs.
        """
        parameters: Tensor = self.decoder(z)
        if parameters.shape[-3:] != self._parameter_shape:
            raise self._decoder_error(f"gives {list(parameters.shape[-3:])}")
        return parameters.to(z.dtype)  # torch.autocast may have lowered the precision

    def log_likelihood(self, z: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) in nats: [*sample, B, D], [B, C, H, W] -> [*sample, B]."""
        return self.likelihood.log_prob(self.decode(z), x)

    def mean(self, z: Tensor) -> Tensor:
        """E[x|z]: [*, D] -> [*, C, H, W]."""
        return self.likelihood.mean(self.decode(z))

    @torch.no_grad()
    def sample(self, num_images: int, generator: torch.Generator | None = None) -> Tensor:
        """Generate images: E[x|z] for z from the prior, [num_images, C, H, W]; no gradient.

        The flow is not used: it belongs to the posterior, not to the prior. For pixels
        drawn from p(x|z) use `vae.likelihood.sample(vae.decode(z))`.
        """
        return self.mean(self.prior.sample(num_images, generator))

    def initialize_output(self, mean: Tensor) -> None:
        """Set the decoder's initial output to the mean of the data.

        Args:
            mean: the mean training image `data.train.mean()`, [C, H, W]; for bits strictly between
                0 and 1.

        Raises:
            ValueError: the decoder does not give the parameters that the likelihood needs.
        """
        parameters = self.likelihood.initial_parameters(mean)
        try:
            self.decoder.set_output_bias(parameters)
        except RuntimeError as error:
            raise self._decoder_error(f"does not take {list(parameters.shape)}") from error

    def inference_parameters(self) -> Iterator[nn.Parameter]:
        """Weights of q(z|x): encoder, head and flow."""
        for part in (self.encoder, self.head, self.flow):
            yield from part.parameters()

    def generative_parameters(self) -> Iterator[nn.Parameter]:
        """Weights of p(x, z): decoder, likelihood and prior."""
        for part in (self.decoder, self.likelihood, self.prior):
            yield from part.parameters()

    @property
    def _parameter_shape(self) -> ImageShape:
        """(C·p, H, W), the shape of the decoder's output for each z."""
        channels, height, width = self.image_shape
        return channels * self.likelihood.parameters_per_channel, height, width

    def _decoder_error(self, fault: str) -> ValueError:
        return ValueError(
            f"{type(self.likelihood).__name__} needs parameters of shape "
            f"{list(self._parameter_shape)} and the decoder {fault}; make the networks with "
            f"out_channels={self._parameter_shape[0]}"
        )


def make_head(num_features: int, flow: Flow) -> nn.Linear:
    """The linear layer that gives loc, log_scale and the flow's parameters.

    Its initial biases give the flow's initial parameters and a narrow q0; its weights are small.
    With a wide q0 = N(0, I) the decoder first learns to ignore z, and long flows do not recover
    from that.
    """
    head = nn.Linear(num_features, 2 * flow.dim + flow.param_size)
    with torch.no_grad():
        nn.init.normal_(head.weight, std=0.1 * num_features**-0.5)
        head.weight[: flow.dim].mul_(10)  # loc must differ between images from the first step
        log_scale = torch.full((flow.dim,), INITIAL_LOG_SCALE)
        head.bias.copy_(torch.cat([torch.zeros(flow.dim), log_scale, flow.initial_params()]))
    return head
