"""bench-service and bench-sizes: services under load, beside peers and during swaps."""
