"""Sweeps: many runs by one command, each in its own process.

The parts of a sweep: `sweeper` makes the grid of jobs, and `composing` their configurations; `plan`
skips complete runs; `launcher` passes the others to `processes`, which starts a `worker` for each.
`display` shows their progress. `registration` registers sweeper and launcher with Hydra.
"""
