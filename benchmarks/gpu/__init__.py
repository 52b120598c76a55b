"""bench-gpu: time of the query tower and of exact search on a GPU. It builds no indexes."""
