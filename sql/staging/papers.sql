-- Every paper any source has listed, as its newest listing shows it.
-- grain:  paper_id
-- reads:  staging.archive, staging.lists
--
-- paper_id         arXiv identifier without version
-- version          highest arXiv version seen
-- title            one line
-- abstract         the authors' text, one line
-- authors          names in order
-- categories       arXiv categories, primary first; null where nobody said
-- published_at     first submission to arXiv, UTC
-- code_url         repository named by a source
-- project_url      project page named by a source
-- ai_keywords      Hugging Face's own keywords
-- upvotes          the most seen on any date, count
-- sources          sources that listed it, sorted
-- first_listed_on  earliest date it was listed for
-- last_listed_on   latest date it was listed for
with papers_of_lists as (
    select distinct paper_id,
    from staging.lists
),

listings_of_these as (
    select
        paper_id,
        version,
        title,
        abstract,
        authors,
        categories,
        published_at,
        code_url,
        project_url,
        ai_keywords,
        upvotes,
        source,
        date,
        fetched_at,
    from staging.lists
    union all
    select
        archive.paper_id,
        archive.version,
        archive.title,
        archive.abstract,
        archive.authors,
        archive.categories,
        archive.published_at,
        null as code_url,
        null as project_url,
        null as ai_keywords,
        null as upvotes,
        'arxiv' as source,
        archive.date,
        archive.fetched_at,
    from staging.archive as archive
    semi join papers_of_lists on archive.paper_id = papers_of_lists.paper_id
)

select
    paper_id,
    max(version) as version,
    arg_max(title, fetched_at) as title,
    arg_max(abstract, fetched_at) as abstract,
    arg_max(authors, fetched_at) as authors,
    arg_max(categories, fetched_at) as categories,
    min(published_at) as published_at,
    arg_max(code_url, fetched_at) as code_url,
    arg_max(project_url, fetched_at) as project_url,
    arg_max(ai_keywords, fetched_at) as ai_keywords,
    max(upvotes) as upvotes,
    list_sort(list(distinct source)) as sources,
    min(date) as first_listed_on,
    max(date) as last_listed_on,
from listings_of_these
group by paper_id
union all
-- the millions that no daily list has need no grouping
select
    archive.paper_id,
    archive.version,
    archive.title,
    archive.abstract,
    archive.authors,
    archive.categories,
    archive.published_at,
    null as code_url,
    null as project_url,
    null as ai_keywords,
    null as upvotes,
    ['arxiv'] as sources,
    archive.date as first_listed_on,
    archive.date as last_listed_on,
from staging.archive as archive
anti join papers_of_lists on archive.paper_id = papers_of_lists.paper_id
