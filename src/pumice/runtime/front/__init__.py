"""The front process's side: queue, batcher, cache, supervisor, one `ServedVersion` that joins them."""
