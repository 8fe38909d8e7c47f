"""The race among the variants of a model: all see the same examples, and whoever has lost is dropped at once.

plan        what is asked for
entry       the folder in which a run works; a cache of them
journal     results of steps that are done, for a run that was killed
building    makes each variant, in a process of its own
builder     that process
contender   one variant in the race: what is proven of it, and why it left
answering   batches as in serving, and what both models answered to them
timetable   when a contender is timed, and when that is enough
racing      the rounds
offering    who may stand in for the base, and why the others may not
"""
