"""Evidence: tests and intervals that stay valid however often one looks. Pure, on numpy alone.

verdict       pass, fail, not yet
mixture       products of factors, mixed: the e-processes of this package
sequential    a test on counted outcomes: when it first crosses, what it says now, whether it can still pass
disagreement  two models, no labels
paired        two models, labels: non-inferiority and harm
rates         two groups of requests, unpaired
proportion    time-uniform intervals of a rate and of a difference of paired rates
mean          time-uniform interval of a mean
quantile      time-uniform interval of a quantile, for latency
family        several tests, variants or slices together
record        what is kept and signed, and how it is checked again
"""
