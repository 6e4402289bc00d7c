"""Jobs and schedules: what is refreshed together, and when.

Here: one job per cadence, each with the class of raw tables that its market publishes then and all that follows from
them. What is refreshed is said in `assets.graph`.
"""

import dagster as dg

from assets.graph import ingest_selection
from pipelines.resources import EVERYTHING_JOB

EVERYTHING = dg.define_asset_job(
    EVERYTHING_JOB, selection=dg.AssetSelection.all(), description="Fetch every class and rebuild all tables."
)
EQUITIES = dg.define_asset_job(
    "equities_after_close",
    selection=ingest_selection("equity"),
    description="Indices, funds and shares after the New York close, and all that follows from them.",
)
CRYPTO = dg.define_asset_job(
    "crypto_after_midnight",
    selection=ingest_selection("crypto"),
    description="Coins after the UTC day is over, and all that follows from them.",
)
MACRO = dg.define_asset_job(
    "macro_after_release",
    selection=ingest_selection("macro"),
    description="Macro series after their releases, and all that follows from them.",
)

JOBS = [EVERYTHING, EQUITIES, CRYPTO, MACRO]

SCHEDULES = [
    # Two hours after the close vendors have settled the day's bars.
    dg.ScheduleDefinition(
        name="equities_after_close_schedule",
        job=EQUITIES,
        cron_schedule="0 18 * * 1-5",
        execution_timezone="America/New_York",
        description="Weekdays at 18:00 New York, two hours after the close.",
    ),
    # A quarter of an hour lets the vendor close the UTC day.
    dg.ScheduleDefinition(
        name="crypto_after_midnight_schedule",
        job=CRYPTO,
        cron_schedule="15 0 * * *",
        execution_timezone="UTC",
        description="Every day at 00:15 UTC.",
    ),
    # The morning brings the rates and spreads of the day before; the afternoon the reverse repos, the yields and, on
    # Thursdays at 16:30, the Federal Reserve's balance sheet (H.4.1).
    dg.ScheduleDefinition(
        name="macro_after_release_schedule",
        job=MACRO,
        cron_schedule=["15 9 * * 1-5", "45 16 * * 1-5"],
        execution_timezone="America/New_York",
        description="Weekdays at 09:15 and 16:45 New York, the latter after the H.4.1 release on Thursdays.",
    ),
]
