"""The load, the faults and the checks of `make soak`. It knows the service by its routes and its process ids only."""
