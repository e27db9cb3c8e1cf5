-- Every paper any source has listed, as its newest listing shows it.
-- grain:  paper_id
-- reads:  staging.listings
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
from staging.listings
group by paper_id
