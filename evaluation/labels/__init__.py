"""Relevance labels of retrieved products, from judgments or from the annotator. They know no metric."""
