"""The file formats that the programs share: each has one module that writes, reads and verifies it."""
