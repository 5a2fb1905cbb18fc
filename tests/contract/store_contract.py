"""What every set of stores must keep, in memory or on PostgreSQL.

A subclass of StoreContract gives the fixture ``stores``; leases are ended by a hook of it, because a database has a
clock of its own.
"""

from tests.contract.attempt_contract import ClaimContract, FenceContract
from tests.contract.build_contract import CancelContract, ListContract, SubmitContract
from tests.contract.log_contract import LogContract, TokenContract


class StoreContract(
    SubmitContract, CancelContract, ListContract, ClaimContract, FenceContract, LogContract, TokenContract
):
    """All of it."""
