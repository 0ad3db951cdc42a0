"""Results in a few lines, for the terminal."""

from typing import Any


def summary(results: dict[str, Any]) -> str:
    """−ELBO with its two parts, and the NLL if there is one, with standard errors over images."""
    split = results["split"]
    lines = [
        f"{f'{split} −ELBO':<12}{results['neg_elbo']:.2f} ± {results['neg_elbo_se']:.2f} nats",
        f"            = distortion {results['distortion']:.2f} + KL {results['kl']:.2f}"
        f"  (Σ log-det {results['sum_log_det']:.2f}, {results['active_units']} active units)",
    ]
    if results["nll"] is not None:
        lines.append(
            f"{f'{split} NLL':<12}{results['nll']:.2f} ± {results['nll_se']:.2f} nats"
            f", S = {results['num_importance_samples']}"
        )
    if (elbo_bits := results.get("neg_elbo_bits_per_dim")) is not None:
        nll_bits = results["bits_per_dim"]
        nll = "" if nll_bits is None else f", NLL {nll_bits:.3f}"
        lines.append(f"            −ELBO {elbo_bits:.3f}{nll} bits per dimension")
    if results.get("objective_is_bound") is False:
        lines.append(f"            {not_a_bound(results['beta'], results['free_bits'])}")
    return "\n".join(lines)


def not_a_bound(beta: float, free_bits: float) -> str:
    """What an objective with β ≠ 1 or free bits means for the numbers of its run."""
    return (
        f"beta={beta:g}, free_bits={free_bits:g}: the training loss is not an −ELBO; "
        "−ELBO and NLL are measured without them"
    )
