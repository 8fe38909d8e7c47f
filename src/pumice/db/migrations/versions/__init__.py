"""The steps of the schema, each a module with its revision and the one before it."""
