-- Pairs of dates whose lists share a paper, so that the later one's digest depends on
-- what the earlier one's featured.
-- grain:  earlier, later
-- reads:  lake.listings
-- params: asked, within_days
--
-- earlier  date of the list that had the paper first
-- later    date of a list that has it again, within_days later at most
with papers_listed as (
    select distinct
        listings.date,
        listings.paper_id,
    from lake.listings as listings
    inner join (select unnest($asked) as list,) as asked
        on
            listings.source = asked.list.source
            and listings.scope = asked.list.scope
)

select distinct
    earlier.date as earlier,
    later.date as later,
from papers_listed as earlier
inner join papers_listed as later
    on
        earlier.paper_id = later.paper_id
        and earlier.date < later.date
        and later.date - earlier.date <= cast($within_days as integer)
order by earlier asc, later asc
