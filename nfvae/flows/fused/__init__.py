"""Fast forms of some flows, with hand-written derivatives; each flow's own file has the formulas.

The option `fused` of a flow chooses between the fast and the readable form. Values and gradients of
both are equal. The fast forms support first derivatives by backward() only.
"""
