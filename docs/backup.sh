#!/usr/bin/env bash
# Copy a home of Cascade into a new folder, also during a run:  backup.sh data/live /backups/live-2026-01-31
#
# A home is consistent only between runs, so this script waits for a run and for every other command that writes, and what
# starts during the copy waits for the script. Dagster's history and the record of alerts are SQLite databases that other processes may
# write to at any time; SQLite copies those. The target appears when it is complete.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: backup.sh HOME TARGET" >&2
    exit 2
fi
home="$(realpath "$1")"
target="$(realpath -m "$2")"
if [ -e "$target" ]; then
    echo "$target is there already; name a new folder" >&2
    exit 2
fi
if [ ! -e "$home/warehouse.lock" ]; then
    echo "$home is not a home of Cascade: it has no warehouse.lock" >&2
    exit 2
fi

part="$target.part"
rm -rf "$part"
mkdir -p "$part"

exec 8<>"$home/run.lock" 9<>"$home/warehouse.lock"
flock --timeout 3600 8
flock --timeout 3600 9
# Snapshots and Parquet files are hard links, which stay links in the copy. tar exits with 1 if a file changes during the
# copy: only files of Dagster's folder can, as this script holds the locks.
{
    tar --create --directory "$home" --warning=no-file-changed --warning=no-file-removed --exclude=./cache \
        --exclude='*.tmp' --exclude='*.db' --exclude='*.db-wal' --exclude='*.db-shm' --exclude='*.sqlite' \
        --exclude='*.sqlite-journal' . || [ $? = 1 ]
} | tar --extract --directory "$part"
flock --unlock 9
flock --unlock 8

python3 - "$home" "$part" <<'PYTHON'
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

home, part = map(Path, sys.argv[1:])
for path in [*home.rglob("*.db"), *home.glob("*.sqlite")]:
    target = part / path.relative_to(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
PYTHON

mv "$part" "$target"
echo "$target"
