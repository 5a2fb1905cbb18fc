"""The outside world as the use cases see it: one small Protocol each. Must not import what implements them."""

from wheelyard.interfaces.access import AuditStore, SessionStore, TokenStore
from wheelyard.interfaces.builds import (
    AttemptStore,
    BuildStore,
    BuildTimes,
    EqualBuilds,
    LogStore,
    NeedStore,
    RetryStore,
)
from wheelyard.interfaces.containers import Container, ContainerSpec, Engine, Images, Limits, LogSink, Network
from wheelyard.interfaces.parsers import ParserPool
from wheelyard.interfaces.prebuilds import (
    DueWebhook,
    PrebuildLists,
    PrebuildStore,
    PrebuildTurns,
    WebhookOutbox,
    WebhookSender,
)
from wheelyard.interfaces.sources import CrateCache, RecipeBook, ReleaseResolver, SourceIndex, WheelResolver
from wheelyard.interfaces.views import FigureStore, LineStore, NameStore, StatisticsStore
from wheelyard.interfaces.wheels import (
    ContentsStore,
    IndexReports,
    Permit,
    UploadBook,
    WheelEdits,
    WheelIndex,
    WheelLists,
    WheelRecords,
    WheelShelf,
    WheelStore,
)
from wheelyard.interfaces.work import CancelSignals, ImageReports, LeaseKeeper, PeriodicStore, WorkerBook, WorkQueue

__all__ = [
    "AttemptStore",
    "AuditStore",
    "BuildStore",
    "BuildTimes",
    "CancelSignals",
    "Container",
    "ContainerSpec",
    "ContentsStore",
    "CrateCache",
    "DueWebhook",
    "Engine",
    "EqualBuilds",
    "FigureStore",
    "ImageReports",
    "Images",
    "IndexReports",
    "LeaseKeeper",
    "Limits",
    "LineStore",
    "LogSink",
    "LogStore",
    "NameStore",
    "NeedStore",
    "Network",
    "ParserPool",
    "PeriodicStore",
    "Permit",
    "PrebuildLists",
    "PrebuildStore",
    "PrebuildTurns",
    "RecipeBook",
    "ReleaseResolver",
    "RetryStore",
    "SessionStore",
    "SourceIndex",
    "StatisticsStore",
    "TokenStore",
    "UploadBook",
    "WebhookOutbox",
    "WebhookSender",
    "WheelEdits",
    "WheelIndex",
    "WheelLists",
    "WheelRecords",
    "WheelResolver",
    "WheelShelf",
    "WheelStore",
    "WorkQueue",
    "WorkerBook",
]
