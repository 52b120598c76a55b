"""Simulated shoppers, and an operator who swaps the index version meanwhile, for Locust; `make load` runs it.

    locust --locustfile tests/load/locustfile.py --host http://127.0.0.1:8000 --queries shop/interactions.parquet

A shopper sends a query and perhaps asks for the second page, filters by an attribute of a hit, or opens a product and
asks for similar ones. Queries are drawn by Zipf's law (the query of rank r in proportion to 1/r); one in ten is a new
one, made of two of them. Each answer is checked: one that is empty, or breaks its filter, counts as a failure.

With --admin-token an operator swaps to another version of the store after a third of the run and rolls back after two;
--swap-seconds sets another time before each.

The run fails, with exit code 1, when a limit is broken. Limits and the rest are options or LOAD_... variables: --help.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from locust import FastHttpUser, between, constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import StatsEntry

PAGE = 48  # products a page
UNSEEN_SHARE = 0.1  # of the queries nobody typed before: no earlier answer serves them
_SWAP_SECONDS = 60.0  # before each change of version, in a run without an end
_COLUMNS_OF_ALL = {"rank", "score", "explain", "product_id", "title", "image"}
# A service may close a connection that idles while somebody thinks, at the moment when it is used again.
_NEW_CONNECTION = {"Connection": "close"}
_chance = np.random.default_rng()


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Add the options of this file to those of Locust."""
    queries = "a search log (.parquet with the column query), or a text file with a query a line, most frequent first"
    add = parser.add_argument
    add("--queries", env_var="LOAD_QUERIES", default="", help=queries)
    add(
        "--admin-token",
        env_var="LOAD_ADMIN_TOKEN",
        default="",
        include_in_web_ui=False,
        help="lets an operator swap versions",
    )
    add("--admin-url", env_var="LOAD_ADMIN_URL", default="", help="URL of the admin routes, if it is not --host")
    swap_seconds = "before each change of version; by default a third of the run"
    add("--swap-seconds", env_var="LOAD_SWAP_SECONDS", type=float, default=0.0, help=swap_seconds)
    add("--max-error-rate", env_var="LOAD_MAX_ERROR_RATE", type=float, default=0.0, help="share of the requests")
    add("--max-p99-ms", env_var="LOAD_MAX_P99_MS", type=float, default=250.0, help="of all requests of shoppers")


@events.init.add_listener
def prepare(environment: Environment, **_: object) -> None:
    """Read the queries before the first shopper starts, and leave the operator out if there is no token."""
    options = environment.parsed_options
    if options is None or not options.queries:
        raise SystemExit("error: --queries (or LOAD_QUERIES) is missing: expected a search log or a text file")
    if not options.admin_token:
        environment.user_classes.remove(Operator)
    Shopper.queries = ranked_queries(Path(options.queries))
    weights = 1 / np.arange(1, len(Shopper.queries) + 1)
    Shopper.weights = weights / weights.sum()


def ranked_queries(path: Path) -> list[str]:
    """Return the distinct queries of a file, the most frequent first."""
    if path.suffix == ".parquet":
        counted = pq.read_table(path, columns=["query"]).column("query").value_counts()
        order = pc.sort_indices(counted.field("counts"), sort_keys=[("", "descending")])
        queries = counted.field("values").take(order).to_pylist()
    else:
        queries = list(dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines()))
    if not any(queries):
        raise SystemExit(f"error: {path} holds no query")
    return [query for query in queries if query]


class Shopper(FastHttpUser):
    """A shopper, who waits some seconds between two requests."""

    wait_time = between(1, 5)
    default_headers = _NEW_CONNECTION
    queries: list[str]
    weights: np.ndarray

    def on_start(self) -> None:
        """Wait before the first request, since Locust starts all shoppers of a second in one moment."""
        self.wait()

    @task
    def visit(self) -> None:
        """Search for one thing."""
        query = self._draw_query()
        hits = self._search("/search", {"query": query})
        if len(hits) == PAGE and _chance.random() < 0.3:
            self.wait()
            self._search("/search, page two", {"query": query, "offset": PAGE}, may_be_empty=True)
        if hits and _chance.random() < 0.3:
            self.wait()
            self._search("/search, filtered", {"query": query, "filters": _narrowing(hits)})
        if hits and _chance.random() < 0.4:
            self.wait()
            product_id = hits[int(_chance.integers(len(hits)))]["product_id"]
            self.client.get(f"/products/{product_id}", name="/products/{product_id}")
            self._search("/search/similar", {"product_id": product_id, "k": 12})

    def _draw_query(self) -> str:
        typed = _chance.choice(self.queries, size=2, p=self.weights)
        return " ".join(typed) if _chance.random() < UNSEEN_SHARE else str(typed[0])

    def _search(self, name: str, body: dict[str, Any], *, may_be_empty: bool = False) -> list[dict[str, Any]]:
        """Return the hits; none if the request fails."""
        path = name.partition(",")[0]
        with self.client.post(path, json={"k": PAGE, **body}, name=name, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {answer.text or repr(answer.error)}")
                return []
            hits: list[dict[str, Any]] = answer.json()["hits"]
            if not hits and not may_be_empty:
                answer.failure("no hits")
            if broken := [hit for hit in hits if not _passes(hit, body.get("filters", {}))]:
                answer.failure(f"{broken[0]['product_id']} does not pass {body['filters']}")
            return hits


def _narrowing(hits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a filter that one of the hits passes: a number at most its own, or its own value."""
    hit = hits[int(_chance.integers(len(hits)))]
    attributes = {name: value for name, value in hit.items() if name not in _COLUMNS_OF_ALL}
    usable = [(name, value) for name, value in attributes.items() if isinstance(value, str | int | float)]
    if not usable:
        return {}
    name, value = usable[int(_chance.integers(len(usable)))]
    return {name: value if isinstance(value, str | bool) else {"lte": value}}


def _passes(hit: dict[str, Any], filters: dict[str, Any]) -> bool:
    for column, wanted in filters.items():
        value = hit[column]
        if not (value is not None and value <= wanted["lte"] if isinstance(wanted, dict) else value == wanted):
            return False
    return True


class Operator(FastHttpUser):
    """An operator, who changes the index version while shoppers search."""

    fixed_count = 1
    default_headers = _NEW_CONNECTION
    wait_time = constant(0)
    changes = 0  # that were answered with 200

    def on_start(self) -> None:
        """Choose the version to swap to."""
        options = self.environment.parsed_options
        self._index_url = f"{options.admin_url}/admin/index"
        self._headers = {"Authorization": f"Bearer {options.admin_token}"}
        self._seconds = options.swap_seconds or (options.run_time / 3 if options.run_time else _SWAP_SECONDS)
        answer = self.client.get(self._index_url, name="/admin/index", headers=self._headers)
        if answer.status_code != 200:
            raise StopUser
        index = answer.json()
        others = [version for version in index["available"] if version != index["served"]["version"]]
        if not others:
            raise StopUser
        self._other = others[-1]

    @task
    def swap_and_return(self) -> None:
        """Swap, and later roll back."""
        gevent.sleep(self._seconds)
        self._change("swap", {"version": self._other})
        gevent.sleep(self._seconds)
        self._change("rollback", {})

    def _change(self, act: str, body: dict[str, str]) -> None:
        url, name = f"{self._index_url}/{act}", f"/admin/index/{act}"
        with self.client.post(url, name=name, json=body, headers=self._headers, catch_response=True) as answer:
            if answer.status_code == 200:
                Operator.changes += 1
            else:
                answer.failure(f"{answer.status_code}: {answer.text or repr(answer.error)}")


@events.quitting.add_listener
def judge(environment: Environment, **_: object) -> None:
    """Compare the run with its limits, print the result, and set the exit code."""
    options = environment.parsed_options
    entries = environment.stats.entries.values()
    shoppers = StatsEntry(environment.stats, "shoppers", "", use_response_times_cache=False)
    for entry in entries:
        if not entry.name.startswith("/admin"):
            shoppers.extend(entry)
    p99_ms = shoppers.get_response_time_percentile(0.99) if shoppers.num_requests else 0
    error_rate = environment.stats.total.fail_ratio
    faults = [
        *(["no request was answered"] if not shoppers.num_requests else []),
        *([f"the error rate is over {options.max_error_rate:g}"] if error_rate > options.max_error_rate else []),
        *([f"p99 is over {options.max_p99_ms:g} ms"] if p99_ms > options.max_p99_ms else []),
        *(["nothing was swapped, though there is a token: the store needs two versions, and the run some seconds"]
          if options.admin_token and not Operator.changes else []),
    ]  # fmt: skip
    failed = environment.stats.total.num_failures
    print(
        f"load: {shoppers.num_requests} requests, {failed} failed (error rate {error_rate:.5f}), p99 {p99_ms:.0f} ms, "
        f"{Operator.changes} changes of version: {'; '.join(faults) or 'within the limits'}"
    )
    environment.process_exit_code = 1 if faults else 0
