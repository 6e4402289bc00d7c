-- Rejects staged bars that are further from the level around them than unit_jump. Reads temp.price_levels.
-- Value: unit_jump, a ratio.
update $staged_rows as staged
set rejected_because = 'the price is ' || format('{:.4g}', levels.times)
    || ' times that of the bars around it: another unit, or another instrument'
from temp.price_levels as levels
where staged.rowid = levels.place and greatest(levels.times, 1 / levels.times) > $unit_jump
