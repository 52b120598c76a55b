"""Offline evaluation of fitted models on purchases and relevance judgments, with confidence intervals and tests."""
