"""The queries that models are judged by, with purchases and judgments, and the rules that rewrite them.

It knows no model.
"""
