-- Papers whose place in the digest breaks the count from 1.
-- grain:  profile, date, paper_id
-- reads:  staging.digests
-- severity: fail
--
-- profile   whose digest
-- date      date of the list
-- paper_id  arXiv identifier without version
-- position  as stored
-- counted   as counted
with papers_counted as (
    select
        *,
        row_number() over (
            partition by profile, date
            order by position asc, paper_id asc
        ) as counted,
    from staging.digests
)

select
    profile,
    date,
    paper_id,
    position,
    counted,
from papers_counted
where position is distinct from counted
order by profile, date, counted
