-- Every paper of every daily list, as last seen there; one that left it stays, at the
-- end.
-- grain:  source, scope, date, paper_id
-- reads:  lake.listings
--
-- source        where it was listed: huggingface, arxiv
-- scope         the part of the source that was asked for; empty: all of it
-- date          the date it was listed for
-- paper_id      arXiv identifier without version
-- rank          place in the list, 1 is the top
-- is_listed     whether the newest snapshot of the list still has it
-- upvotes       at the newest snapshot, count; null where the source has none
-- comments      at the newest snapshot, count
-- title         one line
-- abstract      the authors' text, one line
-- authors       names in order, hidden ones left out
-- categories    arXiv categories, primary first; null where nobody said
-- version       arXiv version at the first ingest that learnt it
-- published_at  first submission to arXiv, UTC
-- code_url      repository named by the source
-- project_url   project page named by the source
-- ai_summary    Hugging Face's own summary
-- ai_keywords   Hugging Face's own keywords
-- missing       fields that no source gave
-- payload       the entry as received, JSON
-- fetched_at    when that snapshot was read, UTC
with newest_rows as (
    select
        *,
        max(fetched_at) over (partition by source, scope, date) as list_fetched_at,
    from lake.listings
    qualify row_number() over (
        partition by source, scope, date, paper_id
        order by fetched_at desc
    ) = 1
)

select
    source,
    scope,
    date,
    paper_id,
    cast(row_number() over (
        partition by source, scope, date
        order by fetched_at desc, rank asc, paper_id asc
    ) as integer) as rank,
    fetched_at = list_fetched_at as is_listed,
    upvotes,
    comments,
    title,
    abstract,
    authors,
    categories,
    version,
    published_at,
    code_url,
    project_url,
    ai_summary,
    ai_keywords,
    missing,
    payload,
    fetched_at,
from newest_rows
