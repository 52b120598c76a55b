"""What the HTTP process and a worker say to each other about queries and versions.

It knows neither HTTP nor an index.
"""
