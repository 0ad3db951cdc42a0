"""One page of HTML on a run or a sweep: what was run, what came out, and what it looks like."""
