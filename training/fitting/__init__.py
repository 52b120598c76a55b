"""A recipe and data to a model bundle: the fit itself, its curves and its validation. It knows no search log."""
