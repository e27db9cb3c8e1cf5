-- Every paper that has a page: featured in a digest, or listed by Hugging Face.
-- grain:  paper_id
-- reads:  staging.papers, staging.digests
--
-- paper_id         arXiv identifier without version
-- title            one line
-- abstract         the authors' text, one line; null where no list is stored
-- authors          names in order
-- categories       arXiv categories, primary first; null where nobody said
-- keywords         Hugging Face's own, as in marts.topics, sorted
-- published_at     first submission to arXiv, UTC
-- code_url         repository named by a source
-- project_url      project page named by a source
-- upvotes          the most seen on any date, count; null where no source has them
-- sources          sources that listed it, sorted
-- first_listed_on  earliest date it was listed or featured for
with papers_featured as (
    select
        paper_id,
        max_by(title, date) as title,
        min(date) as first_featured_on,
        max_by(sources, date) as sources,
    from staging.digests
    group by paper_id
)

select
    coalesce(papers.paper_id, featured.paper_id) as paper_id,
    coalesce(papers.title, featured.title) as title,
    papers.abstract,
    papers.authors,
    papers.categories,
    list_sort(list_distinct(list_transform(
        papers.ai_keywords,
        lambda word: lower(trim(regexp_replace(word, '[\s\-_]+', ' ', 'g')))
    ))) as keywords,
    papers.published_at,
    papers.code_url,
    papers.project_url,
    papers.upvotes,
    coalesce(papers.sources, featured.sources) as sources,
    least(papers.first_listed_on, featured.first_featured_on) as first_listed_on,
from staging.papers as papers
full join papers_featured as featured
    on papers.paper_id = featured.paper_id
where
    featured.paper_id is not null
    or list_contains(papers.sources, 'huggingface')
order by first_listed_on desc, paper_id desc
