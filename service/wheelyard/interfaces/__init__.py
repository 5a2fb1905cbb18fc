"""The outside world as the use cases see it: Protocols, grouped by subject."""

from wheelyard.interfaces.access import AuditStore, TokenStore
from wheelyard.interfaces.archives import ArchiveStore, SuiteArchives
from wheelyard.interfaces.builds import AttemptStore, BuildStore, LogStore, MetricStore, MissingReleaseStore
from wheelyard.interfaces.containers import Container, ContainerSpec, Engine, Images, Limits, LogSink, Network
from wheelyard.interfaces.prebuilds import DueWebhook, PrebuildStore, SendWebhook, WebhookOutbox
from wheelyard.interfaces.sources import (
    CrateCache,
    GitCommit,
    GitFiles,
    GitPack,
    GitRepositories,
    ParserPool,
    RecipeRegistry,
    RecipeStore,
    ReleaseResolver,
    SourceIndex,
    WheelResolver,
)
from wheelyard.interfaces.uploads import UploadBytes, UploadStore
from wheelyard.interfaces.wheels import Permit, SdistStore, WheelCopies, WheelIndex, WheelStorage, WheelStore
from wheelyard.interfaces.work import FleetStore, LeaseKeeper, PeriodicStore, WorkQueue

__all__ = [
    "ArchiveStore",
    "AttemptStore",
    "AuditStore",
    "BuildStore",
    "Container",
    "ContainerSpec",
    "CrateCache",
    "DueWebhook",
    "Engine",
    "FleetStore",
    "GitCommit",
    "GitFiles",
    "GitPack",
    "GitRepositories",
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
    "PrebuildStore",
    "RecipeRegistry",
    "RecipeStore",
    "ReleaseResolver",
    "SdistStore",
    "SendWebhook",
    "SourceIndex",
    "SuiteArchives",
    "TokenStore",
    "UploadBytes",
    "UploadStore",
    "WebhookOutbox",
    "WheelCopies",
    "WheelIndex",
    "WheelResolver",
    "WheelStorage",
    "WheelStore",
    "WorkQueue",
]
