import pytest

SMALL = (
    "K=2",
    "model.latent_dim=3",
    "model.hidden=[16]",
    "trainer.batch_size=20",
    "trainer.max_steps=30",
    "trainer.val_every=10",
    "trainer.checkpoint_every=10",
    "trainer.log_every=5",
    "trainer.progress=false",
    "eval.elbo_draws=2",
    "eval.num_samples=2",
)


@pytest.fixture
def small_config(make_config):
    """A run of 30 steps that takes about a second, through the real configuration."""
    return lambda *overrides: make_config(*SMALL, *overrides)
