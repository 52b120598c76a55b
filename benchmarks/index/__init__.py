"""bench-index: Vitrine's index compared with those of peers, built from the same vectors in separate processes."""
