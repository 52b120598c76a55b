"""What can be evaluated: a fitted model, BM25, a sentence encoder, over exact search.

It knows no purchases and no labels.
"""
