"""A training run in a folder: from its configuration to results.json.

`run` is the run: it reads last.pt, if there is one, and gives it to `nfvae.fit`, which goes on from
it. `callbacks` write last.pt and best.pt.
"""
