"""Fast forms of some flows, with hand-written derivatives; each flow's own file has the formulas.

The option `fused` of a flow chooses between the two. They are equal in value and gradient. The fast
forms have a first derivative by backward() and nothing else.
"""
