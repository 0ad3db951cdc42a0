"""Points as rows: all samples of a batch element together, for batched matrix products."""

from torch import Size, Tensor


def to_rows(z: Tensor, batch_shape: Size) -> Tensor:
    """View points z [*sample, *batch, D] as [B, S, D], where B = prod(batch) and S = prod(sample).

    One batched product then applies each parameter set to all its samples. Without batch axes
    (one parameter set for all points) B is 1, and every point is a sample.
    """
    sample_shape = z.shape[: z.dim() - 1 - len(batch_shape)]
    return z.reshape(sample_shape.numel(), batch_shape.numel(), z.shape[-1]).transpose(0, 1)


def from_rows(rows: Tensor, shape: Size) -> Tensor:
    """Bring [B, S, …] back to `shape`, which starts with [*sample, *batch]."""
    return rows.transpose(0, 1).reshape(shape)
