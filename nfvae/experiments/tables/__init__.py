"""Tables in the papers' style: collect runs, group them into cells, add published values."""
