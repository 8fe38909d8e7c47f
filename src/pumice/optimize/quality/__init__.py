"""What right and equal mean for a task: one judge a kind of answer; and what is proven of it.

base        the contract of a judge
classes     labels, highest scores, tokens
closeness   regression and raw tensors
embeddings  cosine, and neighbours kept
own         a Python function of the user's
choosing    which judge a model gets
batching    batches as in serving, and whether a row's answer depends on its batch-mates
evidence    from truth values to what is proven of a candidate, slices included
"""
