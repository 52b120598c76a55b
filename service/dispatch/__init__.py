"""Which version answers, the queues of searches, and the worker processes that answer them.

It knows neither HTTP nor vectors.
"""
