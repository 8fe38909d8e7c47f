"""Programs that work on the repository; none is shipped."""
