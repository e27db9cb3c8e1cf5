-- Papers that a profile featured again within 90 days.
-- grain:  profile, date, paper_id
-- reads:  marts.editions, staging.digests
-- severity: warn
--
-- profile      whose digest
-- date         of the later digest
-- paper_id     arXiv identifier without version
-- featured_on  date of the digest before
-- title        as published
with papers_featured as (
    select
        *,
        lag(date) over (
            partition by profile, paper_id
            order by date asc
        ) as featured_on,
    from staging.digests
)

select
    papers.profile,
    papers.date,
    papers.paper_id,
    papers.featured_on,
    papers.title,
from papers_featured as papers
inner join marts.editions as editions
    on papers.profile = editions.profile and papers.date = editions.date
where
    papers.date - papers.featured_on <= 90
    -- imported digests were not selected here, and one that features its whole list
    -- repeats what the list repeats
    and papers.origin <> 'imported'
    and editions.papers < editions.scanned
order by papers.profile, papers.date, papers.paper_id
