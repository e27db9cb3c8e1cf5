-- Every answer of a model, raw, as it arrived and was paid for.
-- grain:  key
-- reads:  lake.answers
--
-- key                content key of the question
-- model              litellm's name of the model
-- paper_id           arXiv identifier without version
-- style              report style
-- prompt_version     of the style's prompt and sections
-- text               the answer, untouched
-- finish_reason      as the provider said
-- prompt_tokens      count
-- completion_tokens  count
-- cost_usd           US dollars; null where the price is unknown
-- latency_seconds    from request to answer
-- asked_at           UTC
-- fault              why no answer is to be had (content or context), else null
select
    key,
    model,
    paper_id,
    style,
    prompt_version,
    text,
    finish_reason,
    prompt_tokens,
    completion_tokens,
    cost_usd,
    latency_seconds,
    asked_at,
    fault,
from lake.answers
qualify row_number() over (partition by key order by asked_at asc) = 1
