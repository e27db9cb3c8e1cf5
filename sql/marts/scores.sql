-- How every scanned paper of each date scores for one profile, and the score's parts.
-- grain:  profile, date, paper_id
-- reads:  staging.listings
-- params: profile, since, until, asked, interests, negative, points, scan
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

-- a text is worth looking at where the words of some phrase are in it, one after the
-- other; of the others nothing is left to look at. One pattern for all phrases, made of
-- the parameters alone, is compiled once
listings_asked as (
    select
        listings.*,
        lists_asked.place,
        regexp_matches(
            lower(concat_ws(chr(10), listings.title, listings.abstract)),
            coalesce(nullif(array_to_string(list_transform(
                list_filter(
                    list_transform(
                        flatten(list_transform(
                            list_concat($interests, $negative),
                            lambda interest: interest.phrases
                        )),
                        lambda phrase: trim(
                            regexp_replace(lower(phrase), '[^\p{L}\p{N}]+', ' ', 'g')
                        )
                    ),
                    lambda words: words <> ''
                ),
                lambda words: replace(words, ' ', '[^a-z0-9]+')
            ), '|'), ''), '[^\x{0}-\x{10ffff}]')
        ) as is_sought,
    from staging.listings as listings
    inner join lists_asked
        on
            listings.source = lists_asked.source
            and listings.scope = lists_asked.scope
    where listings.date between cast($since as date) and cast($until as date)
),

papers_listed as (
    select
        date,
        paper_id,
        arg_min(title, place) as title,
        arg_min(abstract, place) as abstract,
        arg_min(
            case when is_sought then title when title is not null then '' end, place
        ) as title_sought,
        arg_min(
            case when is_sought then abstract when abstract is not null then '' end,
            place
        ) as abstract_sought,
        arg_min(authors, place) as authors,
        arg_min(categories, place) as categories,
        max(version) as version,
        max(upvotes) as upvotes,
        min(published_at) as published_at,
        arg_min(code_url, place) as code_url,
        arg_min(project_url, place) as project_url,
        arg_min(fetched_at, place) as fetched_at,
        -- as list(source order by place), for a fifth of the time
        arg_min(source, place, len($asked)) as sources,
        min((place, rank)) as first_place,
    from listings_asked
    group by date, paper_id
),

papers_ranked as (
    select
        *,
        row_number() over (
            partition by date
            order by first_place asc, paper_id asc
        ) as rank,
        count(*) over (partition by date) as listed,
        case
            when upvotes is null then 0.0
            else percent_rank() over (
                partition by date
                order by coalesce(upvotes, -1) asc
            )
        end as popularity,
    from papers_listed
),

papers_scanned as (
    select *,
    from papers_ranked
    where rank <= coalesce($scan, listed)
),

-- words stand between two spaces each, so that neighbours do not share one; where one
-- space is already, which is nearly everywhere, nothing is replaced
papers_as_words as (
    select
        date,
        paper_id,
        '  ' || replace(trim(regexp_replace(
            lower(coalesce(title_sought, '')),
            '( *[^\p{L}\p{N} ]|  )[^\p{L}\p{N}]*',
            ' ',
            'g'
        )), ' ', '  ') || '  ' as title_words,
        '  ' || replace(trim(regexp_replace(
            lower(coalesce(abstract_sought, '')),
            '( *[^\p{L}\p{N} ]|  )[^\p{L}\p{N}]*',
            ' ',
            'g'
        )), ' ', '  ') || '  ' as abstract_words,
    from papers_scanned
    where title_sought <> '' or abstract_sought <> ''
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
        replace(trim(
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

-- first without the spaces around it, which every text is full of and which take long
-- to look at
phrases_met as (
    select
        papers.date,
        papers.paper_id,
        papers.title_words,
        papers.abstract_words,
        phrases.name,
        phrases.weight,
        phrases.sign,
        phrases.is_open,
        phrases.words,
    from papers_as_words as papers
    inner join phrases_as_words as phrases
        on
            contains(papers.abstract_words, phrases.words)
            or contains(papers.title_words, phrases.words)
    where phrases.words <> ''
),

-- a phrase matches whole words, a plural s allowed; an open one matches any ending
spellings_met as (
    select
        date,
        paper_id,
        title_words,
        abstract_words,
        name,
        weight,
        sign,
        unnest(case
            when is_open then [' ' || words]
            else [' ' || words || ' ', ' ' || words || 's ']
        end) as spelling,
    from phrases_met
),

interests_matched as (
    select
        date,
        paper_id,
        name,
        sign,
        any_value(weight) as weight,
        sum(len(string_split(title_words, spelling)) - 1) as title_hits,
        sum(len(string_split(abstract_words, spelling)) - 1) as abstract_hits,
    from spellings_met
    group by date, paper_id, name, sign
    having title_hits + abstract_hits > 0
),

papers_matched as (
    select
        date,
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
    group by date, paper_id
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
                'day', cast(papers.published_at as date), papers.date
            ) / $points.fresh_days)), 2)
        end as freshness_points,
        round($points.negative * (1 - exp(-1.2 * coalesce(matches.negative, 0))), 2)
            as negative_points,
    from papers_scanned as papers
    left join papers_matched as matches
        on papers.date = matches.date and papers.paper_id = matches.paper_id
)

select
    $profile as profile,
    date,
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
order by date asc, rank asc
