"""A training step as in tutorials, for comparison with the project's own."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from nfvae.training import Training


class TextbookStep:
    """The same model and batches with torch.bernoulli, torch's cross entropy, default Adam and one
    `.item()` for the log."""

    def __init__(self, state: Training) -> None:
        self.state = state
        self.optimizer = torch.optim.Adam(state.vae.parameters(), lr=1e-3)
        self.images = state.data.train.images.float() / 255
        self.loss = 0.0

    def __call__(self) -> None:
        """One update."""
        state, vae = self.state, self.state.vae
        x = torch.bernoulli(self.images[state.sampler.indices(state.step)])
        q = vae.posterior(x)
        eps = torch.randn_like(q.loc)
        z, log_det = vae.flow(q.loc + eps * q.log_scale.exp(), q.params)
        log_q = (-0.5 * eps.square() - q.log_scale).sum() - log_det.sum()
        log_prior = -0.5 * z.square().sum()
        distortion = binary_cross_entropy_with_logits(vae.decode(z), x, reduction="sum")
        loss = (distortion + log_q - log_prior) / len(x)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 100.0)
        self.optimizer.step()
        self.loss = loss.item()
        state.step += 1
