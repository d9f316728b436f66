"""The plugin: saves answers, and adds the commands."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from seawall import Amend, Call, Chunk, Offload, Outcome, Reject, Stop, hookimpl
from seawall_files.errors import SavingError
from seawall_files.saving import Saving, current
from seawall_files.settings import FilesSettings

if TYPE_CHECKING:
    import click

    from seawall_files.journal import Journal
    from seawall_files.keeping import Keeping
    from seawall_files.recorder import Recorder


class Files:
    """Saves the answer of a call that is made inside `saving`; adds `seawall run` and `seawall journals`.

    Args:
        clock: Seconds since the epoch.
        recorder: Makes what writes the journal of a call, of the open journal and the sync interval; by
            default a `recorder.Recorder`.
    """

    Settings = FilesSettings
    seawall_api = 1

    def __init__(
        self,
        settings: FilesSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - others compare it with theirs
        recorder: "Callable[[Journal, float], Recorder] | None" = None,
    ) -> None:
        self._settings = settings or FilesSettings()
        self._clock = clock
        self._recorder = recorder

    @hookimpl
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_files.cli import journals, run  # noqa: PLC0415 - only the command line needs it

        cli.add_command(run)
        cli.add_command(journals)

    # first: what an earlier process received changes what others are asked about
    @hookimpl(tryfirst=True)
    def pre_request(self, call: Call) -> Amend | Reject | Offload | None:
        keeping: Keeping | None = call.state.get(self)
        if keeping is None:
            saving = current()
            if saving is None:
                return None
            try:
                saving.begin()
            except SavingError as error:
                return Reject(error)
            keeping = call.state[self] = self._keeping(call, saving)
        return Amend(stream=True) if keeping.is_ready else Offload(keeping.begin)

    def _keeping(self, call: Call, saving: Saving) -> "Keeping":
        from seawall_files.keeping import Keeping  # noqa: PLC0415 - most calls are not saved

        return Keeping(call, saving, self._settings, self._clock(), recorder=self._recorder)

    @hookimpl
    def on_accept(self, call: Call) -> None:
        keeping: Keeping | None = call.state.get(self)
        if keeping is not None:
            keeping.accept()

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Stop | None:
        keeping: Keeping | None = call.state.get(self)
        return None if keeping is None else keeping.take(chunk.frame)

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> None:
        keeping: Keeping | None = call.state.get(self)
        if keeping is not None:
            keeping.fail(error)

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        keeping: Keeping | None = call.state.get(self)
        return None if keeping is None else Offload(lambda: keeping.end(outcome))
