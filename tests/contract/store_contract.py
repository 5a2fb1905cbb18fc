"""What every set of stores must keep, in memory or on PostgreSQL.

A subclass of StoreContract gives the fixture ``stores``; leases are ended by a hook of it, because a database has a
clock of its own.
"""

from tests.contract.access_contract import AuditContract, SessionContract, TokenContract
from tests.contract.adoption_contract import AdoptionContract
from tests.contract.attempt_contract import ClaimContract, FenceContract
from tests.contract.brought_contract import BroughtContract
from tests.contract.browse_contract import BrowseContract
from tests.contract.build_contract import (
    CancelContract,
    EqualContract,
    LeaveContract,
    ListContract,
    SubmitContract,
)
from tests.contract.figure_contract import MetricContract
from tests.contract.image_contract import ImageContract
from tests.contract.limit_contract import LimitContract
from tests.contract.log_contract import LogContract
from tests.contract.prebuild_contract import PrebuildContract
from tests.contract.queue_contract import (
    OrderContract,
    PeriodicContract,
    RetryContract,
    TakeoverContract,
    WorkerContract,
)
from tests.contract.recipe_contract import RecipeContract
from tests.contract.sdist_upload_contract import SdistUploadContract
from tests.contract.state_log_contract import StateLogContract
from tests.contract.statistics_contract import StatisticsContract
from tests.contract.upload_contract import UploadContract
from tests.contract.waits_contract import DependencyContract
from tests.contract.webhook_contract import OutboxContract


class StoreContract(
    SubmitContract,
    EqualContract,
    CancelContract,
    LeaveContract,
    ListContract,
    ClaimContract,
    FenceContract,
    OrderContract,
    RetryContract,
    TakeoverContract,
    DependencyContract,
    WorkerContract,
    ImageContract,
    PeriodicContract,
    LogContract,
    StatisticsContract,
    MetricContract,
    StateLogContract,
    TokenContract,
    SessionContract,
    AuditContract,
    PrebuildContract,
    UploadContract,
    BroughtContract,
    SdistUploadContract,
    OutboxContract,
    BrowseContract,
    LimitContract,
    RecipeContract,
    AdoptionContract,
):
    """All of it."""
