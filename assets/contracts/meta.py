"""The meta tables: what a run did, what it checked, and what the published file says about itself.

Here: the contracts of the stored tables of schema meta. Those that SQL derives are models in sql/meta.
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
            Column("finished_at", "timestamptz", "When it published, or gave up; null while it runs.", True),
            Column("as_of", "date", "The day as of which its tables are true.", True),
            Column("status", "varchar", "running, published, published_with_failures or not_published."),
            Column("rows_new", "bigint", "Rows of new keys that it stored."),
            Column("rows_restated", "bigint", "New versions of known rows that it stored."),
            Column("code_version", "varchar", "Version of Cascade, with the commit where it is known."),
        ),
        ("run_id",),
    ),
    Table(
        "meta",
        "checks",
        "Every check of every run.",
        (
            Column("run_id", "varchar", "The run, a row of meta.runs."),
            Column("check_name", "varchar", "What was checked."),
            Column("table_name", "varchar", "On which table."),
            Column("passed", "boolean", "Whether it held."),
            Column("severity", "varchar", "ERROR blocks publishing, WARN does not."),
            Column("rows_checked", "bigint", "Rows looked at."),
            Column("rows_failed", "bigint", "Rows that broke it."),
            Column("detail", "varchar", "What a person should know; null when it passed.", True),
        ),
        ("run_id", "check_name", "table_name"),
    ),
    Table(
        "meta",
        "quarantine",
        "Every row that was refused, word for word, with the reason. Nothing is ever removed from here.",
        (
            Column("table_name", "varchar", "The raw table that it was meant for."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "Its date, where one could be read.", True),
            Column("captured_at", "timestamptz", "When it was first seen."),
            Column("reason", "varchar", "Why it was refused."),
            Column("payload", "varchar", "The row as it came, as JSON."),
        ),
        ("table_name", "id", "session_date", "reason", "payload"),
    ),
    Table(
        "meta",
        "deliveries",
        "How the last request for each instrument and series went.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("id", "varchar", "The instrument or series."),
            Column("origin", "varchar", "Where it came from: vendor and symbol, or file."),
            Column("rows_delivered", "bigint", "Rows that arrived, good and bad."),
            Column("rows_quarantined", "bigint", "Rows among them that were refused."),
            Column("failure", "varchar", "Why nothing, or not everything, arrived; null when all went well.", True),
        ),
        ("asset_class", "id"),
    ),
    Table(
        "meta",
        "vanished",
        "Stored rows that a later delivery no longer had, though it covered their day. They stay stored.",
        (
            Column("table_name", "varchar", "The raw table that holds the row."),
            Column("id", "varchar", "The instrument or series."),
            Column("session_date", "date", "The day of the row."),
            Column("captured_at", "timestamptz", "When it was first missed, UTC."),
        ),
        ("table_name", "id", "session_date"),
    ),
    Table(
        "meta",
        "source_states",
        "The state that each origin was in when it was last stored; what is still in it is not read again.",
        (
            Column("asset_class", "varchar", "equity, crypto or macro."),
            Column("origin", "varchar", "Where the rows came from, for instance a file."),
            Column("state", "varchar", "What the source says of the state, for instance size and hash."),
            Column("rules", "varchar", "Hash of what judged the rows: code, universe, parameters and calendar."),
        ),
        ("asset_class", "origin"),
    ),
    Table(
        "meta",
        "parameters",
        "Every number that a definition depends on, with its reason.",
        (
            Column("name", "varchar", "Name, as written with a dollar sign in the SQL models."),
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
            Column("position", "integer", "Its place in the table, from 1."),
            Column("type", "varchar", "Its type in DuckDB's words."),
            Column(
                "unit", "varchar", "Unit of its numbers; null for text, dates, truth values, names and positions.", True
            ),
            Column("is_key", "boolean", "Whether it is one of the columns that together tell the table's rows apart."),
            Column("description", "varchar", "What it means, as in the column's comment."),
        ),
        ("table_name", "column_name"),
    ),
    Table(
        "meta",
        "lineage",
        "Which tables each derived table is made of, seen through the steps in between. Upstream are published tables, "
        "and those of the schema reference: the universe and claims files, calendars and the clock, not published.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("upstream", "varchar", "A table that it reads, itself or through steps in between."),
            Column(
                "columns",
                "varchar[]",
                "Columns of the upstream table that are read for any reason: as a value, or to filter, join or sort.",
            ),
            Column("steps", "varchar[]", "Steps in between, which are not published; each is the file sql/<step>.sql."),
        ),
        ("table_name", "upstream"),
    ),
    Table(
        "meta",
        "column_lineage",
        "Which columns each derived column is made of, seen through the steps in between. What only filters, joins or "
        "sorts is not in here; a constant or a count of rows is made of no column.",
        (
            Column("table_name", "varchar", "The derived table or macro, with its schema."),
            Column("column_name", "varchar", "Its column."),
            Column("upstream", "varchar", "A table that the column is made of, a row of meta.lineage."),
            Column(
                "upstream_column",
                "varchar",
                "The column there; null where a statistic is worked out in Python, of which only the tables are known.",
                True,
            ),
        ),
        ("table_name", "column_name", "upstream", "upstream_column"),
    ),
    Table(
        "meta",
        "snapshots",
        "The published files that can still be opened, this one included: what to name when a result is cited.",
        (
            Column("snapshot_id", "varchar", "Instant of publication and begin of the run's id."),
            Column("run_id", "varchar", "The run that published it, a row of meta.runs."),
            Column("source", "varchar", "demo (synthetic), files or live."),
            Column("published_at", "timestamptz", "When it was published, UTC."),
            Column("as_of", "date", "The day as of which its tables are true."),
            Column("code_version", "varchar", "Version of Cascade, with the commit where it is known."),
            Column("path", "varchar", "The file, seen from the folder that cascade.duckdb lies in."),
            Column(
                "content_hash",
                "varchar",
                "Hash of all rows of raw, core and marts, in any order: equal where two files hold the same data. "
                "DuckDB does not promise the same hash in another release of its own (see duckdb_version).",
            ),
            Column("table_hashes", "map(varchar, varchar)", "The same hash for each table."),
            Column("duckdb_version", "varchar", "Release of DuckDB that worked out the hashes."),
        ),
        ("snapshot_id",),
    ),
)
