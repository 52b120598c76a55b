"""bench-service and bench-sizes: load tests of the service, of its peers, and of swaps of the index version."""
