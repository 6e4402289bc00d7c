"""The meta tables: the run log, the results of checks, and the description of the published file.

Here: the contracts of the stored tables of the schema meta. Not here: the derived ones, which are models in sql/meta.
"""

from __future__ import annotations

from assets.contracts.table import Column, Table

META_TABLES: tuple[Table, ...] = (
    Table(
        "meta",
        "runs",
        "One row per run of the pipeline.",
        (
            Column("run_id", "varchar", "Dagster's id of the run."),
            Column("source", "varchar", "demo (synthetic), files or live."),
            Column("started_at", "timestamptz", "When the run began."),
            Column("finished_at", "timestamptz", "When it published or failed; null while it runs.", True),
            Column("as_of", "date", "The day as of which its tables are true.", True),
            Column("status", "varchar", "running, published, published_with_failures or not_published."),
            Column("rows_new", "bigint", "Rows with new keys that it stored."),
            Column("rows_restated", "bigint", "New versions of stored rows that it stored."),
            Column("code_version", "varchar", "Version of Cascade, with the commit if it is known."),
        ),
        ("run_id",),
    ),
    Table(
        "meta",
        "checks",
        "Every check of every run.",
        (
            Column("run_id", "varchar", "The run, a row of meta.runs."),
            Column("check_name", "varchar", "Name of the check."),
            Column("table_name", "varchar", "The table that was checked."),
            Column("passed", "boolean", "Whether the table passed."),
            Column("severity", "varchar", "ERROR blocks publishing, WARN does not."),
            Column("rows_checked", "bigint", "Rows that were checked."),
            Column("rows_failed", "bigint", "Rows that failed."),
            Column("detail", "varchar", "Why it failed, for people; null if it passed.", True),
        ),
        ("run_id", "check_name", "table_name"),
    ),
    Table(
        "meta",
        "quarantine",
        "Every rejected row as it was delivered, with the reason. Rows are never removed.",
        (
            Column("table_name", "varchar", "The raw table that the row was for."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "Date of the row, if it could be read.", True),
            Column("captured_at", "timestamptz", "When Cascade first saw it, UTC."),
            Column("reason", "varchar", "Why it was rejected."),
            Column("payload", "varchar", "The row as it was delivered, as JSON."),
        ),
        ("table_name", "id", "session_date", "reason", "payload"),
    ),
    Table(
        "meta",
        "deliveries",
        "The result of the last request for each instrument and series.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("id", "varchar", "The instrument or series."),
            Column("origin", "varchar", "Origin of the rows: vendor and symbol, or file."),
            Column("rows_delivered", "bigint", "Rows that arrived, accepted and rejected."),
            Column("rows_quarantined", "bigint", "Rows among them that were rejected."),
            Column("failure", "varchar", "Why nothing, or not everything, arrived; null if everything did.", True),
        ),
        ("asset_class", "id"),
    ),
    Table(
        "meta",
        "vanished",
        "Stored rows that are missing from a later delivery of the same days. They are kept.",
        (
            Column("table_name", "varchar", "The raw table that holds the row."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "The day of the row."),
            Column("captured_at", "timestamptz", "When it was first missing, UTC."),
        ),
        ("table_name", "id", "session_date"),
    ),
    Table(
        "meta",
        "source_states",
        "The state of each origin when it was last stored. An origin in the same state is not read again.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("origin", "varchar", "Origin of the rows, for instance a file."),
            Column("state", "varchar", "State as the source describes it, for instance size and hash."),
            Column("rules", "varchar", "Hash of what row checks depend on: code, universe, parameters and calendar."),
        ),
        ("asset_class", "origin"),
    ),
    Table(
        "meta",
        "parameters",
        "Every number that a definition depends on, with its reason.",
        (
            Column("name", "varchar", "Name; SQL models write it with a dollar sign."),
            Column("value", "double", "The number [as in the column unit]."),
            Column("unit", "varchar", "Its unit."),
            Column("reason", "varchar", "Why this number."),
        ),
        ("name",),
    ),
    Table(
        "meta",
        "columns",
        "Every column of every published table and table macro: the data dictionary as data.",
        (
            Column("table_name", "varchar", "The table or macro, with its schema."),
            Column("column_name", "varchar", "The column."),
            Column("position", "integer", "Place of the column in the table, from 1."),
            Column("type", "varchar", "DuckDB type of the column."),
            Column(
                "unit", "varchar", "Unit of its numbers; null for text, dates, booleans, names and positions.", True
            ),
            Column("is_key", "boolean", "Whether it is one of the columns that together identify a row."),
            Column("description", "varchar", "Meaning, as in the column's comment."),
        ),
        ("table_name", "column_name"),
    ),
    Table(
        "meta",
        "lineage",
        "The tables that each derived table is made from, across intermediate tables. Upstream tables are published, "
        "or in the schema reference (universe, claims, calendars and the clock), which is not published.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("upstream", "varchar", "A table that it reads, directly or through intermediate tables."),
            Column(
                "columns",
                "varchar[]",
                "Columns of the upstream table that it reads: as a value, or to filter, join or sort.",
            ),
            Column(
                "steps",
                "varchar[]",
                "Intermediate tables in between, which are not published (files below sql/).",
            ),
        ),
        ("table_name", "upstream"),
    ),
    Table(
        "meta",
        "column_lineage",
        "The columns that each derived column is made from, across intermediate tables. Columns that only filter, join "
        "or sort are left out. A constant or a count of rows has no upstream column.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("column_name", "varchar", "The derived column."),
            Column("upstream", "varchar", "A table that the column is made from, a row of meta.lineage."),
            Column(
                "upstream_column",
                "varchar",
                "The upstream column; null if a Python statistic computes the column, as only its tables are known.",
                True,
            ),
        ),
        ("table_name", "column_name", "upstream", "upstream_column"),
    ),
    Table(
        "meta",
        "snapshots",
        "The published files that can still be opened, including this one. Name one when you cite a result.",
        (
            Column("snapshot_id", "varchar", "Instant of publication and first characters of the run's id."),
            Column("run_id", "varchar", "The run that published it, a row of meta.runs."),
            Column("source", "varchar", "demo (synthetic), files or live."),
            Column("published_at", "timestamptz", "When it was published, UTC."),
            Column("as_of", "date", "The day as of which its tables are true."),
            Column("code_version", "varchar", "Version of Cascade, with the commit if it is known."),
            Column("path", "varchar", "The file, relative to the folder of cascade.duckdb."),
            Column(
                "content_hash",
                "varchar",
                "Hash of all rows of raw, core and marts, in any order: equal if two files hold the same data. Another "
                "release of DuckDB may compute another hash (see duckdb_version).",
            ),
            Column("table_hashes", "map(varchar, varchar)", "The same hash for each table."),
            Column("duckdb_version", "varchar", "Release of DuckDB that computed the hashes."),
        ),
        ("snapshot_id",),
    ),
)
