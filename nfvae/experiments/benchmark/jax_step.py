"""The same training step in JAX, as one would write it: jit, value_and_grad, a scan over planar
steps, optax's Adam."""

from functools import partial
from math import e, log
from typing import Any

import numpy as np
import torch

from nfvae.experiments.benchmark.peers import missing
from nfvae.training import Training


class JaxStep:
    """Updates of the model of a `Training`, an MLP with SiLU and a planar flow, from its weights.

    Bits, batches, bound, gradient clipping and Adam are those of the project.

    Raises:
        ConfigError: jax or optax is not installed.
    """

    def __init__(self, training: Training) -> None:
        try:
            import jax
            import optax
        except ImportError:
            raise missing("jax and optax") from None
        flow = training.vae.flow
        self.training = training
        self.images = jax.numpy.asarray(training.data.train.images.flatten(1).numpy())
        self.weights = jax_weights(training)
        self.key = jax.random.key(0)
        optimizer = optax.chain(optax.clip_by_global_norm(training.grad_clip), optax.adam(1e-3))
        self.state = optimizer.init(self.weights)
        value_and_grad = jax.value_and_grad(neg_elbo)

        @partial(jax.jit, donate_argnums=(0, 1))
        def update(weights: Any, state: Any, key: Any, images: Any, index: Any) -> Any:
            for_bits, for_noise = jax.random.split(key)
            levels = images[index]
            uniform = jax.random.uniform(for_bits, levels.shape)
            x = (uniform < levels.astype("float32") / 255).astype("float32")
            eps = jax.random.normal(for_noise, (len(index), flow.dim))
            loss, gradient = value_and_grad(weights, x, eps, flow.num_transforms)
            change, state = optimizer.update(gradient, state, weights)
            return optax.apply_updates(weights, change), state, loss

        self.update = update
        self.split = jax.random.split

    def __call__(self) -> None:
        """One update."""
        self.start().block_until_ready()

    def start(self) -> Any:
        """Start an update; returns its loss, which may not be computed yet."""
        training = self.training
        index = training.sampler.indices(training.step).numpy()
        training.step += 1
        self.key, key = self.split(self.key)
        self.weights, self.state, loss = self.update(
            self.weights, self.state, key, self.images, index
        )
        return loss


def jax_weights(training: Training) -> dict[str, list[dict[str, Any]]]:
    """The weights of the model's linear layers, as [in, out] matrices."""
    import jax.numpy as jnp

    vae = training.vae
    parts = {"encoder": vae.encoder, "head": vae.head, "decoder": vae.decoder}
    return {
        name: [
            {
                "w": jnp.array(np.ascontiguousarray(layer.weight.detach().numpy().T)),
                "b": jnp.array(layer.bias.detach().numpy()),
            }
            for layer in part.modules()
            if isinstance(layer, torch.nn.Linear)
        ]
        for name, part in parts.items()
    }


def neg_elbo(weights: Any, x: Any, eps: Any, K: int) -> Any:
    """The loss of bits x [B, P] and noise eps [B, D], averaged over the batch, up to constants."""
    import jax
    import jax.numpy as jnp

    silu = jax.nn.silu
    features = x
    for layer in weights["encoder"]:
        features = silu(features @ layer["w"] + layer["b"])
    (head,) = weights["head"]
    packed = features @ head["w"] + head["b"]
    D = eps.shape[1]
    loc, log_scale, params = packed[:, :D], packed[:, D : 2 * D], packed[:, 2 * D :]
    z, log_det = planar(loc + eps * jnp.exp(log_scale), params, K)
    *hidden, last = weights["decoder"]
    activations = z
    for layer in hidden:
        activations = silu(activations @ layer["w"] + layer["b"])
    logits = activations @ last["w"] + last["b"]
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    log_prior = -0.5 * (z**2).sum(-1)
    log_q0 = -0.5 * (eps**2).sum(-1) - log_scale.sum(-1)
    return -(log_likelihood + log_prior - log_q0 + log_det).mean()


def planar(z: Any, params: Any, K: int) -> Any:
    """K planar transforms of z [B, D] with the packed parameters of `nfvae.Planar`."""
    import jax
    import jax.numpy as jnp

    B, D = z.shape
    if not K:
        return z, jnp.zeros(B)
    w, u = (params[:, i * K * D : (i + 1) * K * D].reshape(B, K, D) for i in (0, 1))
    b = params[:, 2 * K * D :]

    def step(z: Any, own: Any) -> Any:
        w, u, b = own
        c = (w * u).sum(-1)
        s = jax.nn.softplus(c + log(e - 1))
        u_hat = u + ((s - 1 - c) / (w * w).sum(-1))[:, None] * w
        h = jnp.tanh((w * z).sum(-1) + b)
        return z + u_hat * h[:, None], jnp.log(h * h + (1 - h * h) * s)

    z, log_dets = jax.lax.scan(step, z, (w.swapaxes(0, 1), u.swapaxes(0, 1), b.T))
    return z, log_dets.sum(0)
