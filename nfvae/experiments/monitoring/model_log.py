"""Histograms and images of a model for TensorBoard."""

import torch
from torch import Tensor

from nfvae.data import Split
from nfvae.experiments.figures.pictures import latent_plane, prior_samples, reconstructions
from nfvae.posterior import FlowPosterior
from nfvae.vae import VAE

NUM_IMAGES = 16
NUM_POINTS = 1000  # points of the latent plane
NUM_AMORTIZED = 100  # images whose flow parameters are in the histogram


def flow_histograms(posterior: FlowPosterior, transform_log_dets: Tensor) -> dict[str, Tensor]:
    """The flow's parameters and log-determinants by name, on the CPU; empty for K = 0.

    Only finite values.

    Args:
        posterior: the posterior of a batch of images.
        transform_log_dets: log-determinant of each transform at one sample per image, in nats,
            [K, B].
    """
    if not len(transform_log_dets):
        return {}
    own = [weight.detach().flatten() for weight in posterior.flow.parameters()]
    log_dets = transform_log_dets.cpu()  # one copy from a GPU for all transforms
    values = {
        "flow_params/amortized": posterior.params[:NUM_AMORTIZED].cpu(),
        "flow_params/own_weights": torch.cat(own).cpu() if own else torch.empty(0),
        "volume/log_det_sum": log_dets.sum(0),
        **{f"volume/log_det_step_{k:02}": v for k, v in enumerate(log_dets, start=1)},
    }
    finite = {name: tensor[tensor.isfinite()] for name, tensor in values.items()}
    return {name: tensor for name, tensor in finite.items() if tensor.numel()}


@torch.inference_mode()
def model_pictures(vae: VAE, split: Split, generator: torch.Generator) -> dict[str, Tensor]:
    """Images [C, H, W] for `MetricsLog.images`: reconstructions, samples, the plane of two latents.

    Args:
        vae: the model.
        split: the split of the images.
        generator: on the model's device.
    """
    x = first_images(split, NUM_IMAGES, generator)
    pictures = {
        "reconstructions": reconstructions(vae, x, generator),
        "samples": prior_samples(vae, generator),
    }
    if vae.latent_dim == 2:
        x = first_images(split, NUM_POINTS, generator)
        z = vae.posterior(x, validate_args=False).draw((), generator).z
        pictures["latent_plane"] = latent_plane(vae)
        pictures["posterior_samples"] = _points(z, split.labels)
    return pictures


def first_images(split: Split, count: int, generator: torch.Generator) -> Tensor:
    """The first `count` images of a split, or all if there are fewer: [B, C, H, W]."""
    index = torch.arange(min(count, len(split)), device=split.images.device)
    return split.batch(index, generator)


def _points(z: Tensor, labels: Tensor | None) -> Tensor:
    from nfvae.experiments.figures.plane import plane_figure  # importing matplotlib is slow
    from nfvae.experiments.figures.style import pixels

    figure = plane_figure(z.cpu(), None if labels is None else labels[: len(z)].cpu())
    return torch.from_numpy(pixels(figure)).permute(2, 0, 1)
