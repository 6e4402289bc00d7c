-- The CSV lines of the last read that do not fit the header, with their file.
-- Values: none.
select distinct
    reject_scans.file_path,
    reject_errors.csv_line
from reject_errors
inner join reject_scans
    on reject_scans.scan_id = reject_errors.scan_id
    and reject_scans.file_id = reject_errors.file_id
order by all
