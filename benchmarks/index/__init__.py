"""bench-index: ours and the peers over the same vectors, each in a process of its own."""
