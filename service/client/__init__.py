"""Clients of the service: one for programs, and the command `try`. They know only the HTTP contract."""

from service.client.calls import ClientError, ProblemError, Search
from service.client.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ClientError", "ProblemError", "Search"]
