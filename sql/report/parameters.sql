-- The numbers that the tables of the file were made with.
select
    name,
    value,
    unit,
from meta.parameters
