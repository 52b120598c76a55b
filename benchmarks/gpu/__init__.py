"""bench-gpu: times on a device. It knows no index."""
