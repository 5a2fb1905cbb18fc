"""The outside world as the use cases see it: one small Protocol each. Must not import what implements them."""

from wheelyard.interfaces.access import AuditStore, SessionStore, TokenStore
from wheelyard.interfaces.builds import (
    AttemptStore,
    BuildStore,
    LogStore,
    MetricStore,
    MissingReleaseStore,
)
from wheelyard.interfaces.containers import Container, ContainerSpec, Engine, Images, Limits, LogSink, Network
from wheelyard.interfaces.prebuilds import (
    DueWebhook,
    PrebuildLists,
    PrebuildStore,
    PrebuildTurns,
    WebhookOutbox,
    WebhookSender,
)
from wheelyard.interfaces.sources import (
    CrateCache,
    ParserPool,
    RecipeRegistry,
    ReleaseResolver,
    SourceIndex,
    WheelResolver,
)
from wheelyard.interfaces.wheels import (
    Permit,
    WheelIndex,
    WheelStorage,
    WheelStore,
)
from wheelyard.interfaces.work import FleetStore, LeaseKeeper, PeriodicStore, WorkQueue

__all__ = [
    "AttemptStore",
    "AuditStore",
    "BuildStore",
    "Container",
    "ContainerSpec",
    "CrateCache",
    "DueWebhook",
    "Engine",
    "FleetStore",
    "Images",
    "LeaseKeeper",
    "Limits",
    "LogSink",
    "LogStore",
    "MetricStore",
    "MissingReleaseStore",
    "Network",
    "ParserPool",
    "PeriodicStore",
    "Permit",
    "PrebuildLists",
    "PrebuildStore",
    "PrebuildTurns",
    "RecipeRegistry",
    "ReleaseResolver",
    "SessionStore",
    "SourceIndex",
    "TokenStore",
    "WebhookOutbox",
    "WebhookSender",
    "WheelIndex",
    "WheelResolver",
    "WheelStorage",
    "WheelStore",
    "WorkQueue",
]
