"""The service as seen from outside: a client for programs, and a command for people.

It knows only the HTTP contract.
"""
