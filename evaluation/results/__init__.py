"""Results as records and as files. They do not know how they were measured."""
