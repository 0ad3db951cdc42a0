"""A training run in a folder: from its configuration to results.json."""
