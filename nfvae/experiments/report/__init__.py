"""A page of HTML on a run or a sweep: settings, results, curves and pictures."""
