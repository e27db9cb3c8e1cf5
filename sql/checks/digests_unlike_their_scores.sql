-- Papers selected but not published, or published but not selected or otherwise.
-- grain:  profile, date, paper_id
-- reads:  staging.digests, staging.scores
-- severity: warn
--
-- profile             whose digest
-- date                date of the list
-- paper_id            arXiv identifier without version
-- selected_position   by its score; null where it was not selected
-- published_position  in the digest; null where it was not published
-- selected_score      by the scan
-- published_score     in the digest
with papers_selected as (
    select
        profile,
        date,
        paper_id,
        position,
        score,
    from staging.scores
    where is_selected
),

papers_published as (
    select
        profile,
        date,
        paper_id,
        position,
        score,
        origin,
    from staging.digests
),

-- nothing was scored for these
imported_digests as (
    select distinct
        profile,
        date,
    from papers_published
    where origin = 'imported'
)

select
    coalesce(selected.profile, published.profile) as profile,
    coalesce(selected.date, published.date) as date,
    coalesce(selected.paper_id, published.paper_id) as paper_id,
    selected.position as selected_position,
    published.position as published_position,
    selected.score as selected_score,
    published.score as published_score,
from papers_selected as selected
full outer join papers_published as published
    on
        selected.profile = published.profile
        and selected.date = published.date
        and selected.paper_id = published.paper_id
left join imported_digests as imported
    on
        imported.profile = coalesce(selected.profile, published.profile)
        and imported.date = coalesce(selected.date, published.date)
where
    imported.profile is null
    and (
        selected.position is distinct from published.position
        or selected.score is distinct from published.score
    )
order by all
