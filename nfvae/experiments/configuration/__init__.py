"""The configuration: types and ranges, and the parts that it names."""
