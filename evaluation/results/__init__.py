"""Results of an evaluation as records and as files, independent of how they were measured."""
