-- Every analysis: what a model, or the paper itself, said to a question about a paper.
-- grain:  style, paper_id, question
-- reads:  lake.analyses
--
-- style              report style whose sections it fills
-- paper_id           arXiv identifier without version
-- question           content key of the question
-- date               the digest it was first made for
-- profile            the profile it was first made for
-- language           language of the sections
-- status             complete, pending or refused (every model declined)
-- pending_reason     kind of fault unless complete, else null
-- model              litellm's name of the model, or extractive
-- prompt_version     of the style's prompt and sections
-- reading_source     html or abstract
-- source_sha256      of the text it was made from
-- source_fetched_at  when that text was fetched, UTC
-- has_hidden_text    whether the paper held text that no reader sees, left out
-- claims             numbers, percentages and names of datasets stated, count
-- claims_found       of these, those that occur in the text it was made from
-- found_share        claims_found of claims, 0 to 1; null without claims
-- flags              the claims that do not occur there
-- sections           validated sections by id, JSON
-- extract            the paper's own sentences, where no model answered
-- prompt_tokens      count
-- completion_tokens  count
-- cost_usd           US dollars; null where the price is unknown
-- asked_at           when the model was, UTC; null where none answered
-- analyzed_at        UTC
select
    style,
    paper_id,
    question,
    date,
    profile,
    language,
    status,
    pending_reason,
    model,
    prompt_version,
    reading_source,
    source_sha256,
    source_fetched_at,
    coalesce(has_hidden_text, false) as has_hidden_text,
    claims,
    claims_found,
    round(claims_found / nullif(claims, 0), 4) as found_share,
    flags,
    sections,
    extract,
    prompt_tokens,
    completion_tokens,
    cost_usd,
    asked_at,
    analyzed_at,
from lake.analyses
qualify row_number() over (
    partition by style, paper_id, question
    order by status = 'complete' desc, date asc, profile asc
) = 1
