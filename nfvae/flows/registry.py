"""Flow families by name."""

from nfvae.registry import Registry

FLOWS = Registry("flow")
register = FLOWS.register
