"""Sample axes beside D, so that one batched product per parameter set serves all its samples."""

from torch import Size, Tensor


def fold(z: Tensor, batch_shape: Size) -> Tensor:
    """View z [*sample, *batch, D] as [B, S, D], where B = prod(batch) and S = prod(sample).

    With no batch axes (plain parameters) B is 1 and every point is a sample.

    Raises:
        ValueError: z has not the batch axes of the parameters.
    """
    if z.shape[z.dim() - 1 - len(batch_shape) : -1] != batch_shape:
        raise ValueError(
            f"points of shape {tuple(z.shape)} do not belong to parameters of batch shape "
            f"{tuple(batch_shape)}"
        )
    return z.reshape(-1, batch_shape.numel(), z.shape[-1]).transpose(0, 1)


def unfold(folded: Tensor, shape: Size) -> Tensor:
    """Bring [B, S, …] back to `shape`, which starts with [*sample, *batch]."""
    return folded.transpose(0, 1).reshape(shape)
