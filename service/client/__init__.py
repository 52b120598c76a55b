"""The service as seen from outside: a client for programs, a command for people. It knows only the HTTP contract."""

from service.client.client import AsyncClient, Client, ClientError, ProblemError, Search

__all__ = ["AsyncClient", "Client", "ClientError", "ProblemError", "Search"]
