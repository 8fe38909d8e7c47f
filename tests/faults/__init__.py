"""Faults: what goes wrong around a server, what its callers see, and how long it takes to be well again.

Each test is a row of the table in ``docs/faults.md``; ``make faults`` runs them and writes it.
"""
