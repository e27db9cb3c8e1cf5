-- What language models cost, month by month and model by model, newest first.
-- grain:  month, model
-- reads:  marts.costs
--
-- month              its first day
-- model              litellm's name of the model
-- requests           answers stored, count
-- requests_unpriced  of these, those whose price is unknown
-- refusals           of these, those that gave no text
-- prompt_tokens      count
-- completion_tokens  count
-- cost_usd           US dollars of the priced ones; null where no price is known
select
    cast(date_trunc('month', date) as date) as month,
    model,
    cast(sum(requests) as bigint) as requests,
    cast(sum(requests_unpriced) as bigint) as requests_unpriced,
    cast(sum(refusals) as bigint) as refusals,
    cast(sum(prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(completion_tokens) as bigint) as completion_tokens,
    -- floats summed by several threads differ in their last digit
    round(sum(cost_usd), 9) as cost_usd,
from marts.costs
group by all
order by month desc, model asc
