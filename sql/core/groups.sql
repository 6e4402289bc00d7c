-- description: The members of each group of instruments, with the days of their membership.
-- grain: group_id, instrument_id, valid_from
-- known_at: the run's clock
with clock as (
    select
        as_of,
        as_of_at,
    from reference.clock
),

members as (
    select
        group_id,
        instrument_id,
        valid_from,
        valid_to,
        captured_at,
        version,
    from raw.group_members
),

instruments as (
    select
        instrument_id,
        role,
        history_start,
        valid_to,
    from core.instruments
),

listed as (
    select
        members.group_id,
        members.instrument_id,
        members.valid_from,
        members.valid_to,
    from members
    cross join clock
    inner join instruments on instruments.instrument_id = members.instrument_id
    where members.version = 1 or members.captured_at <= clock.as_of_at
    qualify row_number() over (
        partition by members.group_id, members.instrument_id, members.valid_from
        order by members.version desc
    ) = 1
),

altcoins as (
    select
        'altcoins' as group_id,
        instrument_id,
        history_start as valid_from,
        valid_to,
    from instruments
    where role = 'altcoin'
),

all_members as (
    select * from listed
    union all
    select * from altcoins
),

final as (
    select
        all_members.group_id, -- The group, for instance us_small_cap_60 or altcoins.
        all_members.instrument_id, -- The member, a row of core.instruments.
        all_members.valid_from, -- First day of membership.
        if(all_members.valid_to <= clock.as_of, all_members.valid_to, null) as valid_to, -- Last day of membership; null while it lasts.
        true as is_proxy, -- Whether the group consists of today's survivors, which makes its past look better than it was.
    from all_members
    cross join clock
    where all_members.valid_from <= clock.as_of
)

select * from final
order by group_id, instrument_id, valid_from
