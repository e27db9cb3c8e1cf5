-- How every scanned paper of a date scores for one profile, and the score's parts.
-- grain:  profile, date, paper_id
-- reads:  staging.listings
-- params: profile, date, asked, interests, negative, points, scan
--
-- profile            whose interests
-- date               date of the list
-- paper_id           arXiv identifier without version
-- rank               place in the merged lists of the profile's sources, 1 is the top
-- score              0 to 100, the points added up, rounded
-- interest_points    an interest gives weight × (1 - 2^-(2 title hits + abstract hits))
--                    and their sum s gives points.interest × (1 - e^(-1.2 s))
-- popularity_points  points.popularity × share of the day's papers with fewer upvotes
-- freshness_points   points.freshness, falling evenly to 0 at points.fresh_days of age
-- negative_points    as interest_points, taken off
-- reason             matched interests by weight, then upvotes
-- title              one line
-- abstract           one line
-- authors            names in order
-- categories         arXiv categories
-- version            arXiv version
-- sources            that listed it
-- upvotes            count; null where no source has them
-- published_at       first submission to arXiv, UTC
-- code_url           repository named by a source
-- project_url        project page named by a source
-- fetched_at         when the first list that has it was read, UTC
-- listed             papers on the merged lists that day, count
with lists_asked as (
    select
        list.source,
        list.scope,
        list.place,
    from (select unnest($asked) as list,) as asked
),

papers_listed_that_day as (
    select
        listings.paper_id,
        arg_min(listings.title, lists_asked.place) as title,
        arg_min(listings.abstract, lists_asked.place) as abstract,
        arg_min(listings.authors, lists_asked.place) as authors,
        arg_min(listings.categories, lists_asked.place) as categories,
        max(listings.version) as version,
        max(listings.upvotes) as upvotes,
        min(listings.published_at) as published_at,
        arg_min(listings.code_url, lists_asked.place) as code_url,
        arg_min(listings.project_url, lists_asked.place) as project_url,
        arg_min(listings.fetched_at, lists_asked.place) as fetched_at,
        list(listings.source order by lists_asked.place) as sources,
        min((lists_asked.place, listings.rank)) as first_place,
    from staging.listings as listings
    inner join lists_asked
        on
            listings.source = lists_asked.source
            and listings.scope = lists_asked.scope
    where listings.date = cast($date as date)
    group by listings.paper_id
),

papers_ranked as (
    select
        *,
        row_number() over (order by first_place asc, paper_id asc) as rank,
        count(*) over () as listed,
        case
            when upvotes is null then 0.0
            else percent_rank() over (order by coalesce(upvotes, -1) asc)
        end as popularity,
    from papers_listed_that_day
),

-- words stand between two spaces each, so that neighbours do not share one
papers_scanned as (
    select
        *,
        '  ' || replace(trim(
            regexp_replace(lower(title), '[^\p{L}\p{N}]+', ' ', 'g')
        ), ' ', '  ') || '  ' as title_words,
        '  ' || replace(trim(
            regexp_replace(lower(abstract), '[^\p{L}\p{N}]+', ' ', 'g')
        ), ' ', '  ') || '  ' as abstract_words,
    from papers_ranked
    where rank <= coalesce($scan, listed)
),

interests_of_both_signs as (
    select
        interest.name,
        interest.weight,
        interest.phrases,
        1 as sign,
    from (select unnest($interests) as interest,) as positive
    union all
    select
        interest.name,
        interest.weight,
        interest.phrases,
        -1 as sign,
    from (select unnest($negative) as interest,) as negative
),

phrases_as_words as (
    select
        name,
        weight,
        sign,
        phrase like '%*' as is_open,
        ' ' || replace(trim(
            regexp_replace(lower(phrase), '[^\p{L}\p{N}]+', ' ', 'g')
        ), ' ', '  ') as words,
    from (
        select
            name,
            weight,
            sign,
            unnest(phrases) as phrase,
        from interests_of_both_signs
    ) as phrases
),

-- a phrase matches whole words, a plural s allowed; an open one matches any ending
spellings as (
    select
        name,
        weight,
        sign,
        unnest(
            case when is_open then [words] else [words || ' ', words || 's '] end
        ) as spelling,
    from phrases_as_words
    where trim(words) <> ''
),

interests_matched as (
    select
        papers.paper_id,
        spellings.name,
        spellings.sign,
        any_value(spellings.weight) as weight,
        sum(len(string_split(papers.title_words, spellings.spelling)) - 1)
            as title_hits,
        sum(len(string_split(papers.abstract_words, spellings.spelling)) - 1)
            as abstract_hits,
    from papers_scanned as papers
    cross join spellings
    where
        contains(papers.title_words, spellings.spelling)
        or contains(papers.abstract_words, spellings.spelling)
    group by papers.paper_id, spellings.name, spellings.sign
),

papers_matched as (
    select
        paper_id,
        sum(weight * (1 - power(2, -(2 * title_hits + abstract_hits))))
        filter (where sign = 1) as interest,
        sum(weight * (1 - power(2, -(2 * title_hits + abstract_hits))))
        filter (where sign = -1) as negative,
        string_agg(
            case when sign = -1 then 'not: ' else '' end
            || name
            || case
                when title_hits + abstract_hits > 1
                    then ' ×' || cast(title_hits + abstract_hits as integer)
                else ''
            end,
            ', '
            order by sign desc, weight desc, title_hits + abstract_hits desc, name asc
        ) as matched,
    from interests_matched
    group by paper_id
),

papers_with_points as (
    select
        papers.*,
        matches.matched,
        round($points.interest * (1 - exp(-1.2 * coalesce(matches.interest, 0))), 2)
            as interest_points,
        round($points.popularity * papers.popularity, 2) as popularity_points,
        -- greatest() and least() pass over nulls
        case
            when papers.published_at is null then 0.0
            else round($points.freshness * greatest(0, least(1, 1 - date_diff(
                'day', cast(papers.published_at as date), cast($date as date)
            ) / $points.fresh_days)), 2)
        end as freshness_points,
        round($points.negative * (1 - exp(-1.2 * coalesce(matches.negative, 0))), 2)
            as negative_points,
    from papers_scanned as papers
    left join papers_matched as matches on papers.paper_id = matches.paper_id
)

select
    $profile as profile,
    cast($date as date) as date,
    paper_id,
    cast(rank as integer) as rank,
    cast(round(greatest(0, least(
        100,
        interest_points
        + popularity_points
        + freshness_points
        - negative_points
    ))) as integer) as score,
    interest_points,
    popularity_points,
    freshness_points,
    negative_points,
    coalesce(
        nullif(concat_ws('; ', matched, upvotes || ' upvotes'), ''), 'no match'
    ) as reason,
    title,
    abstract,
    authors,
    categories,
    version,
    sources,
    upvotes,
    published_at,
    code_url,
    project_url,
    fetched_at,
    cast(listed as integer) as listed,
from papers_with_points
order by rank
