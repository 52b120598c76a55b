"""Evaluation: a fitted model against purchases and judgments, with the paper's metrics and honest statistics."""
