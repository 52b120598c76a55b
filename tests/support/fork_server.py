"""The server from which tests fork processes whose imports are done.

A process has one such server, and it preloads what was named when it started; hence the one list here.
"""

import multiprocessing

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(
    ["tests.support.build_processes", "tests.support.store_workers", "tests.training.tiny_run"]
)
