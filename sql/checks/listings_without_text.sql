-- Listed papers without a title or an abstract.
-- grain:  source, scope, date, paper_id
-- reads:  staging.lists
-- severity: warn
--
-- source    where it was listed: huggingface, arxiv
-- scope     the part of the source that was asked for; empty: all of it
-- date      the date it was listed for
-- paper_id  arXiv identifier without version
-- title     as stored
-- abstract  as stored
select
    source,
    scope,
    date,
    paper_id,
    title,
    abstract,
from staging.lists
where coalesce(trim(title), '') = '' or coalesce(trim(abstract), '') = ''
order by source, scope, date, paper_id
