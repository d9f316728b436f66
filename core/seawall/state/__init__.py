"""What calls, processes and hosts share: small JSON documents, each changed by atomic steps.

`open_store` gives the store that a configuration names; `Step` is what is done to a document; `leases` and
`owners` bring back what a killed process held; `clock` keeps a clock that jumps from minting tokens.
`SQLiteFile` is for what is more than small documents.
Importing this package loads no store: names load on first use. They are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
