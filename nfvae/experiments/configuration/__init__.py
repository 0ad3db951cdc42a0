"""The configuration: its types and ranges, and the parts that it builds."""
