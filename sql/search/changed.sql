-- Papers that the lake's listings, archive, analyses and imported digests name, sorted.
-- grain:  paper_id
-- reads:  lake.listings, lake.archive, lake.analyses, lake.digests
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
    union all
    select paper_id,
    from lake.digests
    where origin = 'imported'
)

select distinct paper_id,
from named
where paper_id is not null
order by paper_id
