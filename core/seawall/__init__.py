"""Protects long Claude operations: `client = seawall.protect(anthropic.Anthropic())`.

Every protected call ends in one of three ways: the whole answer, a typed error that still holds what was paid
for, or a refusal before anything was spent. Importing this package loads neither the SDK nor any plugin;
names load on first use. They are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
