"""Which version answers, the queue before it, and the worker processes behind it. It knows no HTTP and no vectors."""
