"""Jobs and schedules: what is refreshed together, and when.

Here: one job per cadence, each with the raw tables of one asset class and everything built from them, and the jobs for
the newest state and for a past day. Not here: the selection of those assets (assets.graph).
"""

import dagster as dg

from assets.graph import ingest_selection, key
from assets.steps import HISTORICAL_VIEW
from pipelines.resources import EVERYTHING_JOB, HISTORICAL_JOB, RETRIES_TAG

_HISTORICAL = dg.AssetSelection.assets(key(HISTORICAL_VIEW))
EVERYTHING = dg.define_asset_job(
    EVERYTHING_JOB,
    selection=dg.AssetSelection.all() - _HISTORICAL,
    description="Fetch every asset class and build all tables.",
)
HISTORICAL = dg.define_asset_job(
    HISTORICAL_JOB,
    selection=_HISTORICAL,
    description="Rebuild what was known at the end of a past day, in a file of its own.",
)
EQUITIES = dg.define_asset_job(
    "equities_after_close",
    selection=ingest_selection("equity"),
    description="Fetch indices, funds and shares after the New York close, and build everything made from them.",
)
CRYPTO = dg.define_asset_job(
    "crypto_after_midnight",
    selection=ingest_selection("crypto"),
    description="Fetch coins after the end of the UTC day, and build everything made from them.",
)
MACRO = dg.define_asset_job(
    "macro_after_release",
    selection=ingest_selection("macro"),
    description="Fetch macro series after their releases, and build everything made from them.",
)

JOBS = [EVERYTHING, EQUITIES, CRYPTO, MACRO, HISTORICAL]

# Two more attempts if the vendor cannot be reached or another run holds the warehouse for too long.
_TAGS = {RETRIES_TAG: "2"}
SCHEDULES = [
    # Vendors have settled the day's bars two hours after the close.
    dg.ScheduleDefinition(
        name="equities_after_close_schedule",
        job=EQUITIES,
        tags=_TAGS,
        cron_schedule="0 18 * * 1-5",
        execution_timezone="America/New_York",
        description="Weekdays at 18:00 New York, two hours after the close.",
    ),
    # The vendor needs some minutes to close the UTC day.
    dg.ScheduleDefinition(
        name="crypto_after_midnight_schedule",
        job=CRYPTO,
        tags=_TAGS,
        cron_schedule="15 0 * * *",
        execution_timezone="UTC",
        description="Every day at 00:15 UTC.",
    ),
    # Rates and spreads of the day before are released in the morning; reverse repos, yields and, on Thursdays at 16:30,
    # the Federal Reserve's balance sheet (H.4.1) in the afternoon.
    dg.ScheduleDefinition(
        name="macro_after_release_schedule",
        job=MACRO,
        tags=_TAGS,
        cron_schedule=["15 9 * * 1-5", "45 16 * * 1-5"],
        execution_timezone="America/New_York",
        description="Weekdays at 09:15 and 16:45 New York, the latter after the H.4.1 release on Thursdays.",
    ),
]
