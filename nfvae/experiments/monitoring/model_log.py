"""What TensorBoard shows of a model besides scalars."""

import torch
from torch import Tensor

from nfvae.data import Split
from nfvae.experiments.figures.pictures import latent_plane, prior_samples, reconstructions
from nfvae.posterior import FlowPosterior
from nfvae.vae import VAE

NUM_IMAGES = 16
NUM_POINTS = 1000  # of the latent plane
NUM_AMORTIZED = 100  # images whose flow parameters enter a histogram


def flow_histograms(posterior: FlowPosterior, transform_log_dets: Tensor) -> dict[str, Tensor]:
    """The flow's parameters and log-determinants by name, finite values only; none for K = 0.

    Args:
        posterior: of a batch of images.
        transform_log_dets: [K, B], in nats, of each transform at a sample of the posterior.
    """
    if not len(transform_log_dets):
        return {}
    own = [weight.detach().flatten() for weight in posterior.flow.parameters()]
    values = {
        "flow_params/amortized": posterior.params[:NUM_AMORTIZED],
        "flow_params/own_weights": torch.cat(own) if own else torch.empty(0),
        "flow_log_det/sum": transform_log_dets.sum(0),
        **{f"flow_log_det/step_{k:02}": v for k, v in enumerate(transform_log_dets, start=1)},
    }
    finite = {name: tensor[tensor.isfinite()] for name, tensor in values.items()}
    return {name: tensor for name, tensor in finite.items() if tensor.numel()}


@torch.inference_mode()
def model_pictures(vae: VAE, split: Split, generator: torch.Generator) -> dict[str, Tensor]:
    """Images [C, H, W] for `MetricsLog.images`: reconstructions, samples, the plane of two latents.

    Args:
        vae: the model.
        split: where the images are from.
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
    """The first images of a split, or all where there are fewer: [B, C, H, W]."""
    index = torch.arange(min(count, len(split)), device=split.images.device)
    return split.batch(index, generator)


def _points(z: Tensor, labels: Tensor | None) -> Tensor:
    from nfvae.experiments.figures.plane import plane_figure  # matplotlib takes long to import
    from nfvae.experiments.figures.style import pixels

    figure = plane_figure(z.cpu(), None if labels is None else labels[: len(z)].cpu())
    return torch.from_numpy(pixels(figure)).permute(2, 0, 1)
