"""`vitrine up`: the steps, the service, its self-test and the address, one after another."""
