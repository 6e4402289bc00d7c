-- The memberships of groups.csv, typed. The identifiers name the file's columns.
-- Values: none.
select
    trim($group_cell) as group_id,
    trim($symbol_cell) as instrument_id,
    $valid_from_cell::date as valid_from,
    nullif(trim($valid_to_cell), '')::date as valid_to
from temp.memberships
