"""Latency of a variant beside its base.

timing     both run the same batches in turn, pair by pair
standing   what is proven by the pairs, point by point
"""
