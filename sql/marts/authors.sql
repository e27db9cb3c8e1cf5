-- Who wrote every paper, in the order of its list of authors.
-- grain:  paper_id, position
-- reads:  staging.papers
--
-- paper_id         arXiv identifier without version
-- position         place among the authors, 1 is the first
-- author           name as the source writes it
-- authors          how many the paper has, count
-- first_listed_on  earliest date the paper was listed for
select
    paper_id,
    cast(generate_subscripts(authors, 1) as integer) as position,
    unnest(authors) as author,
    cast(len(authors) as integer) as authors,
    first_listed_on,
from staging.papers
