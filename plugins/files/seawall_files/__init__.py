"""Safe file operations: whole files or none, a workspace that paths cannot leave, reading by tokens.

An answer is saved while it arrives, and goes on after a crash: `saving`. Names load on first use; they are
listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
