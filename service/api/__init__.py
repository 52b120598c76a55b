"""The HTTP contract: routes, bodies, problems. It asks `dispatch` for answers, and knows no socket and no index."""
