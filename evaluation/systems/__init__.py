"""Systems to evaluate: fitted models, BM25 and sentence encoders, with exact search.

They use neither purchases nor labels.
"""
