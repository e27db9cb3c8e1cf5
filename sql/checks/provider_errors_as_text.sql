-- Analyses with the words of a provider's error in place of an answer.
-- grain:  style, paper_id, question
-- reads:  staging.analyses
-- severity: warn
--
-- style     report style
-- paper_id  arXiv identifier without version
-- question  content key of the question
-- model     litellm's name of the model
-- found     the words
with words_of_errors as (
    select
        unnest([
            'api_error',
            'check quota',
            'error code: 429',
            'exceeded your current quota',
            'experiencing high demand',
            'insufficient_quota',
            'model is overloaded',
            'overloaded_error',
            'provider returned error',
            'quota exceeded',
            'rate limit reached',
            'rate_limit_error',
            'rate_limit_exceeded',
            'ratelimiterror',
            'ratelimitexceeded',
            'resource exhausted',
            'resource_exhausted'
        ]) as words,
)

select
    analyses.style,
    analyses.paper_id,
    analyses.question,
    analyses.model,
    min(errors.words) as found,
from staging.analyses as analyses
inner join words_of_errors as errors
    on contains(lower(analyses.sections), errors.words)
group by all
order by all
