-- What every paper is about: Hugging Face's keywords and arXiv's categories.
-- grain:  paper_id, kind, topic
-- reads:  staging.papers
--
-- paper_id         arXiv identifier without version
-- kind             keyword or category
-- topic            keywords in lower case, one space between words, no hyphens
-- first_listed_on  earliest date the paper was listed for
with topics_of_papers as (
    select
        paper_id,
        'keyword' as kind,
        lower(trim(regexp_replace(unnest(ai_keywords), '[\s\-_]+', ' ', 'g'))) as topic,
        first_listed_on,
    from staging.papers
    union all
    select
        paper_id,
        'category' as kind,
        unnest(categories) as topic,
        first_listed_on,
    from staging.papers
)

select distinct
    paper_id,
    kind,
    topic,
    first_listed_on,
from topics_of_papers
where topic <> ''
