"""The replica: one process that holds one version and answers batches."""
