"""The stores that budgets are kept in."""

from stores import memory, own_redis_server, redis, redis_server, sqlite

__all__ = ["memory", "own_redis_server", "redis", "redis_server", "sqlite"]
