"""How long things take, beside the same done otherwise; used by no other part."""
