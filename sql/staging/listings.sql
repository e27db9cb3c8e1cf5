-- Every paper of every list: the daily ones, as last seen there, and the archive's
-- days.
-- grain:  source, scope, date, paper_id
-- reads:  staging.archive, staging.lists
--
-- source        where it was listed: huggingface, arxiv
-- scope         the part of the source that was asked for; empty: all of it, as of
--               Hugging Face's lists and of the archive
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
select
    source,
    scope,
    date,
    paper_id,
    rank,
    is_listed,
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
from staging.lists
union all
select
    'arxiv' as source,
    '' as scope,
    date,
    paper_id,
    rank,
    true as is_listed,
    null as upvotes,
    null as comments,
    title,
    abstract,
    authors,
    categories,
    version,
    published_at,
    null as code_url,
    null as project_url,
    null as ai_summary,
    null as ai_keywords,
    null as missing,
    payload,
    fetched_at,
from staging.archive
