from .atomic import write_atomic as write_atomic
from .chunking import chunks as chunks
from .content import Content as Content, content_block as content_block
from .entries import Entry as Entry
from .errors import (
    DamagedJournalError as DamagedJournalError,
    JournalConflictError as JournalConflictError,
    JournalError as JournalError,
    NotSavedError as NotSavedError,
    SavingError as SavingError,
    TargetLockedError as TargetLockedError,
    UnsuitableFileError as UnsuitableFileError,
    WorkspaceError as WorkspaceError,
)
from .plugin import Files as Files
from .reading import read_text as read_text
from .saving import Saving as Saving, saving as saving
from .settings import FilesSettings as FilesSettings
from .splitting import TextChunk as TextChunk
from .trash import Deleted as Deleted
from .workspace import Workspace as Workspace
