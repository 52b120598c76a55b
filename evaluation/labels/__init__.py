"""Relevance labels of retrieved products, from judgments or from the annotator. No metric is computed here."""
