"""Files of a run: written atomically, checked when read."""
