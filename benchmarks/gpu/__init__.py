"""bench-gpu: measurements on a device. It does not build indexes."""
