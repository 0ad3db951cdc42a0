"""Many runs by one command: a process each, as many at once as there are cores.

What a sweep goes through, file by file: `sweeper` makes the grid of jobs, `composing` their
configurations; `plan` leaves out what is complete; `launcher` hands the rest to `processes`, which
starts a `worker` for each. `display` shows them. `registration` makes sweeper and launcher known to
Hydra.
"""
