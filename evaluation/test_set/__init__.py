"""The evaluation queries with their purchases and judgments, and the rules that rewrite queries.

Nothing here depends on models.
"""
