"""A training run in a folder: from its configuration to results.json.

`run` is the whole run: it reads last.pt, if there is one, and passes it to `nfvae.fit`, which
    resumes from it. `callbacks` write last.pt and best.pt.
"""
