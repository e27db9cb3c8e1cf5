-- The scored papers of one profile and date, with those that make the digest marked.
-- grain:  profile, date, paper_id
-- reads:  marts.scores, staging.digests
-- params: profile, date, minimum_score, at_most, repeat_after_days
--
-- profile            whose digest
-- date               date of the list
-- paper_id           arXiv identifier without version
-- rank               as in marts.scores, and so the next
-- score              0 to 100
-- interest_points    from matches of the interests
-- popularity_points  from upvotes within the day
-- freshness_points   from days since submission
-- negative_points    taken off for negative keywords
-- reason             the components in words
-- title              one line
-- abstract           one line
-- authors            names in order
-- categories         arXiv categories
-- version            arXiv version
-- sources            that listed it
-- upvotes            count; null where no source has them
-- published_at       first submission to arXiv, UTC
-- code_url           repository named by a source
-- project_url        project page named by a source
-- fetched_at         when the list was read, UTC
-- featured_on        digest within repeat_after_days before that has it, else null
-- is_selected        score high enough, not featured before, among the best at_most
-- position           place in the digest, 1 is the top; null where not selected
with papers_featured_before as (
    select
        paper_id,
        max(date) as featured_on,
    from staging.digests
    where
        profile = $profile
        and date < cast($date as date)
        and date >= cast($date as date) - cast($repeat_after_days as integer)
    group by paper_id
),

papers_that_qualify as (
    select
        scores.paper_id,
        row_number() over (
            order by scores.score desc, scores.rank asc, scores.paper_id asc
        ) as position,
    from marts.scores as scores
    left join papers_featured_before as before on scores.paper_id = before.paper_id
    where scores.score >= $minimum_score and before.paper_id is null
)

select
    scores.profile,
    scores.date,
    scores.paper_id,
    scores.rank,
    scores.score,
    scores.interest_points,
    scores.popularity_points,
    scores.freshness_points,
    scores.negative_points,
    scores.reason,
    scores.title,
    scores.abstract,
    scores.authors,
    scores.categories,
    scores.version,
    scores.sources,
    scores.upvotes,
    scores.published_at,
    scores.code_url,
    scores.project_url,
    scores.fetched_at,
    before.featured_on,
    qualified.position is not null as is_selected,
    cast(qualified.position as integer) as position,
from marts.scores as scores
left join papers_featured_before as before on scores.paper_id = before.paper_id
left join papers_that_qualify as qualified
    on
        scores.paper_id = qualified.paper_id
        and qualified.position <= coalesce($at_most, 1000000)
order by qualified.position asc nulls last, scores.rank asc
