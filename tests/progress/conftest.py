"""The stores that processes share, and what cannot be collected everywhere."""

import sys

from stores import memory, own_redis_server, redis, redis_server, sqlite

__all__ = ["memory", "own_redis_server", "redis", "redis_server", "sqlite"]

collect_ignore = ["test_pty.py"] if sys.platform == "win32" else []
"""Windows has no pseudoterminals of this kind; what draws is the same there, and tested in memory."""
