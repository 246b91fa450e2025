"""From an estimate to a statement: degrees of freedom, tests, means, contrasts, intervals.

A fitted model is known here only by a small contract
(:class:`mixedteach.inference.functions.Model`), so that a mixed model, a linear model and a result
of statsmodels get the same tables.
"""
