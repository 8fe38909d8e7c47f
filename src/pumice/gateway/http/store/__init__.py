"""``/api/models`` and ``/api/store``: the operations of the model store over HTTP."""
