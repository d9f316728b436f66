"""The stores that processes share, and what cannot be collected everywhere."""

import sys

from stores import memory, own_redis_server, redis, redis_server, sqlite

__all__ = ["memory", "own_redis_server", "redis", "redis_server", "sqlite"]

collect_ignore = ["test_pty.py", "test_forks.py"] if sys.platform == "win32" else []
"""Windows has no forks, and no pseudoterminals of this kind; what draws is tested in memory too."""
