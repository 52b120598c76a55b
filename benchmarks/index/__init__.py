"""bench-index: Vitrine's index and those of peers with the same vectors, each in a process of its own."""
