"""Executors by their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from newsreplay.errors import NewsreplayError
from newsreplay.simulator.cluster import ClusterExecutor


@contextmanager
def opened_cluster(address: str | None, report: Callable[[str], None]) -> Iterator[ClusterExecutor | None]:
    """The executor of an address, `dask://host:8786`; None for None. Raises `NewsreplayError` where there is none."""
    if address is None:
        yield None
        return
    scheme, _, rest = address.partition("://")
    if scheme != "dask" or not rest:
        raise NewsreplayError(f"no executor has the address {address!r}; write dask://HOST:PORT, of a Dask scheduler")
    from newsreplay.simulator.dask_cluster import DaskCluster

    cluster = DaskCluster(rest)
    try:
        executor = ClusterExecutor(cluster, report=report)
    except BaseException:
        cluster.close()
        raise
    with executor:
        yield executor
