-- Papers that the lake's listings, archive and analyses name, sorted.
-- grain:  paper_id
-- reads:  lake.listings, lake.archive, lake.analyses
--
-- paper_id  arXiv identifier without version
with named as (
    select paper_id,
    from lake.listings
    union all
    select paper_id,
    from lake.archive
    union all
    select paper_id,
    from lake.analyses
)

select distinct paper_id,
from named
where paper_id is not null
order by paper_id
