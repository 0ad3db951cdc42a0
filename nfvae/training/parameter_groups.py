"""Which weights of a VAE the optimizer treats alike."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from nfvae.experiments.config import VAEOptimConfig
from nfvae.vae import VAE


def parameter_groups(
    config: VAEOptimConfig, vae: VAE
) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
    """For `make_optimizer`: those of q(z|x) and of p(x|z), if these have settings of their own."""
    own = {"peak_lr": config.decoder_lr, "weight_decay": config.decoder_weight_decay}
    given = {key: value for key, value in own.items() if value is not None}
    if not given:
        return vae.parameters()  # one group: checkpoints from before these options go on
    decoder = [*vae.decoder.parameters(), *vae.output.parameters()]
    posterior = [*vae.encoder.parameters(), *vae.head.parameters(), *vae.flow.parameters()]
    groups: list[dict[str, Any]] = [{"params": posterior}, {"params": decoder, **given}]
    return groups
