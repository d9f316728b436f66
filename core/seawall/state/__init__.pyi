from . import clock as clock, leases as leases, owners as owners
from .documents import READ as READ, Document as Document, Step as Step
from .errors import (
    StepError as StepError,
    StoreError as StoreError,
    StoreUnavailableError as StoreUnavailableError,
)
from .forks import call_after_fork as call_after_fork, new_lock as new_lock
from .index import Index as Index
from .memory import MemoryStore as MemoryStore
from .pulse import Pulse as Pulse
from .redis import RedisStore as RedisStore
from .sqlite import SQLiteStore as SQLiteStore
from .sqlite_file import SQLiteFile as SQLiteFile
from .store import (
    Store as Store,
    open_store as open_store,
    reach as reach,
    shared_store as shared_store,
    state_folder as state_folder,
)
