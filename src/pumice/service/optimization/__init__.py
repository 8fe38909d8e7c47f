"""Make a model light and keep what was proven of it: the operation behind ``pumice optimize`` and ``pumice certify``.

asked        what is asked for
originals    the model that a source or a reference names, as a folder
planning     data, judge and candidates: the plan of a race
certifying   a certificate from a finding
keeping      base and variants in the store, each once
operations   optimize, certify
"""
