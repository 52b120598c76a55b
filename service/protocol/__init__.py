"""What the HTTP process and a worker process send each other about queries, answers and versions.

It knows neither HTTP nor an index.
"""
