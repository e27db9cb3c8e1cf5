-- Every paper of every digest as it was picked: place, score and title as published,
-- the rest from the newest list of that date; of imported papers often there is none.
-- grain:  profile, date, paper_id
-- reads:  lake.digests, staging.scores, staging.listings
--
-- profile       whose digest
-- date          date of the list
-- paper_id      arXiv identifier without version
-- question      content key of the analysis used
-- position      place in the digest, 1 is the top
-- score         0 to 100, as published
-- reason        the score's components in words, as published
-- title         as published
-- version       arXiv version
-- abstract      one line; null where no list of that date is stored
-- authors       names in order
-- categories    arXiv categories
-- sources       that listed it, as scored or imported where that is stored
-- upvotes       as scored, count; null where no source has them
-- published_at  first submission to arXiv, UTC
-- code_url      repository named by a source
-- project_url   project page named by a source
-- fetched_at    when the list with this abstract was read, UTC
with listings_of_every_source as (
    select *,
    from staging.listings
    -- categories asked for apart may list it twice
    qualify row_number() over (
        partition by source, date, paper_id
        order by fetched_at desc, scope asc
    ) = 1
),

listings_of_published_papers as (
    select
        digests.profile,
        scores.sources as scored_sources,
        scores.upvotes as scored_upvotes,
        coalesce(list_position(scores.sources, listings.source), 99) as place,
        listings.*,
    from lake.digests as digests
    inner join listings_of_every_source as listings
        on digests.date = listings.date and digests.paper_id = listings.paper_id
    left join staging.scores as scores
        on
            digests.profile = scores.profile
            and digests.date = scores.date
            and digests.paper_id = scores.paper_id
),

papers_as_listed as (
    select
        profile,
        date,
        paper_id,
        max(version) as version,
        arg_min(abstract, place) as abstract,
        arg_min(authors, place) as authors,
        arg_min(categories, place) as categories,
        coalesce(any_value(scored_sources), list(source order by source desc))
            as sources,
        coalesce(any_value(scored_upvotes), max(upvotes)) as upvotes,
        min(published_at) as published_at,
        arg_min(code_url, place) as code_url,
        arg_min(project_url, place) as project_url,
        arg_min(fetched_at, place) as fetched_at,
    from listings_of_published_papers
    group by profile, date, paper_id
)

select
    digests.profile,
    digests.date,
    digests.paper_id,
    digests.question,
    digests.position,
    digests.score,
    digests.reason,
    digests.title,
    papers.version,
    papers.abstract,
    papers.authors,
    papers.categories,
    coalesce(digests.sources, papers.sources) as sources,
    papers.upvotes,
    papers.published_at,
    papers.code_url,
    papers.project_url,
    papers.fetched_at,
from lake.digests as digests
left join papers_as_listed as papers
    on
        digests.profile = papers.profile
        and digests.date = papers.date
        and digests.paper_id = papers.paper_id
-- a digest that was published empty has a row without a paper
where digests.paper_id is not null
order by digests.date asc, digests.profile asc, digests.position asc
