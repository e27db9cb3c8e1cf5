-- Analyses that say nothing: neither a section nor a sentence of the paper.
-- grain:  style, paper_id, question
-- reads:  staging.analyses
-- severity: fail
--
-- style     report style
-- paper_id  arXiv identifier without version
-- question  content key of the question
-- status    complete or pending
-- model     litellm's name of the model, or extractive
select
    style,
    paper_id,
    question,
    status,
    model,
from staging.analyses
where
    coalesce(len(list_filter(
        json_extract_string(try_cast(sections as json), '$.*'),
        lambda section: trim(section, ' []"') <> ''
    )), 0) = 0
    and coalesce(len(list_filter(
        extract,
        lambda sentence: trim(sentence) <> ''
    )), 0) = 0
order by style, paper_id, question
