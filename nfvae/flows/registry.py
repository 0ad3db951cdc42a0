"""Flow families by name: what `flow=…` chooses from."""

from nfvae.registry import Registry

FLOWS = Registry("flow")
register = FLOWS.register
