from .call import Attempt as Attempt, Call as Call, Chunk as Chunk, Outcome as Outcome, Usage as Usage
from .deadline import deadline as deadline
from .decisions import (
    Amend as Amend,
    Answer as Answer,
    Cut as Cut,
    EarlierAttempt as EarlierAttempt,
    GiveUp as GiveUp,
    Offload as Offload,
    Redirect as Redirect,
    Reject as Reject,
    Replay as Replay,
    Resume as Resume,
    Retry as Retry,
    Stop as Stop,
    Wait as Wait,
)
from .errors import (
    BudgetExceededError as BudgetExceededError,
    ConfigError as ConfigError,
    DeadlineExceededError as DeadlineExceededError,
    PluginError as PluginError,
    RequestRejectedError as RequestRejectedError,
    SeawallError as SeawallError,
    StreamStoppedError as StreamStoppedError,
)
from .estimate import estimate_tokens as estimate_tokens
from .hookspecs import API_VERSION as API_VERSION, hookimpl as hookimpl
from .middleware import protect as protect
from .panels import Gauge as Gauge, Panel as Panel
from .retry_headers import retry_after as retry_after
from .waste import wasted_output as wasted_output
from .wire_errors import (
    ClientClosedError as ClientClosedError,
    ContinuationMismatchError as ContinuationMismatchError,
    StreamCutError as StreamCutError,
    TruncatedStreamError as TruncatedStreamError,
    partial_message as partial_message,
)
