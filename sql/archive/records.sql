-- Lines of arXiv's metadata snapshot as papers, each with the day it was announced.
-- grain:  line
-- reads:  incoming.lines
-- params: fetched_at
--
-- line          number of the line in its file, from 1
-- fault         why the line is no paper; else null
-- year          of the date; null with a fault
-- date          the day it was announced, by when its first version was submitted
-- paper_id      arXiv identifier without version
-- title         one line
-- abstract      one line
-- authors       names in order
-- categories    arXiv categories, primary first
-- version       newest arXiv version
-- published_at  first submission to arXiv, UTC
-- payload       the rest of the record, JSON
-- fetched_at    when the record was as it is here, UTC
with records as (
    select
        line,
        text,
        try(from_json(text, '{
            "id": "VARCHAR",
            "submitter": "VARCHAR",
            "authors": "VARCHAR",
            "title": "VARCHAR",
            "comments": "VARCHAR",
            "journal-ref": "VARCHAR",
            "doi": "VARCHAR",
            "report-no": "VARCHAR",
            "categories": "VARCHAR",
            "license": "VARCHAR",
            "abstract": "VARCHAR",
            "versions": [{"version": "VARCHAR", "created": "VARCHAR"}],
            "update_date": "VARCHAR",
            "authors_parsed": [["VARCHAR"]]
        }')) as record,
    from incoming.lines
),

records_dated as (
    select
        line,
        record,
        contains(text, '\u0000') as has_nul,
        record is null as is_malformed,
        timezone('UTC', try_strptime(
            record['versions'][1].created, '%a, %d %b %Y %H:%M:%S GMT'
        )) as published_at,
        try_cast(ltrim(record['versions'][-1].version, 'v') as smallint) as version,
        -- a line's end with the indent of the next; what other space there is, is rare.
        -- rtrim() takes as long as all the rest
        regexp_replace(ltrim(replace(
            replace(record['title'], chr(10) || '  ', ' '), chr(10), ' '
        )), '\s+$', '') as title,
        regexp_replace(ltrim(replace(
            replace(record['abstract'], chr(10) || '  ', ' '), chr(10), ' '
        )), '\s+$', '') as abstract,
    from records
),

-- submissions close at 14:00 in New York
records_closed as (
    select
        *,
        cast(
            timezone('America/New_York', published_at) + interval 10 hours as date
        ) as closed_on,
        case
            when is_malformed then 'not JSON'
            when has_nul then 'a NUL in its text'
            when record['id'] is null then 'no id'
            when not regexp_full_match(
                record['id'], '\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}'
            ) then 'an id that is none of arXiv''s'
            when title is null or title = '' then 'no title'
            when published_at is null then 'no date that can be read'
            when not published_at between '1986-01-01' and '2100-01-01'
                then 'a date out of range'
        end as fault,
    from records_dated
),

-- and are announced at 20:00, the next date in UTC, from Sunday to Thursday
records_announced as (
    select
        *,
        closed_on + case isodow(closed_on)
            when 5 then 3
            when 6 then 3
            when 7 then 2
            else 1
        end as announced_on,
    from records_closed
)

select
    line,
    fault,
    case when fault is null then cast(year(announced_on) as smallint) end as year,
    announced_on as date,
    record['id'] as paper_id,
    case
        when regexp_matches(title, '\s\s|[^\S ]|\v|[^\x{0}-\x{7f}\P{Z}]')
            then trim(regexp_replace(title, '[\s\v\p{Z}]+', ' ', 'g'))
        else title
    end as title,
    coalesce(case
        when regexp_matches(abstract, '\s\s|[^\S ]|\v|[^\x{0}-\x{7f}\P{Z}]')
            then trim(regexp_replace(abstract, '[\s\v\p{Z}]+', ' ', 'g'))
        else abstract
    end, '') as abstract,
    case
        when len(record['authors_parsed']) > 0
            then list_transform(record['authors_parsed'], lambda name: concat_ws(
                ' ',
                nullif(trim(name[2]), ''),
                nullif(trim(name[1]), ''),
                nullif(trim(name[3]), '')
            ))
        else list_filter(
            list_transform(
                -- affiliations are in parentheses
                regexp_split_to_array(
                    regexp_replace(
                        coalesce(record['authors'], ''), '\([^()]*\)', '', 'g'
                    ),
                    ',\s*(and\s+)?|\s+and\s+'
                ),
                lambda name: trim(regexp_replace(name, '\s+', ' ', 'g'))
            ),
            lambda name: name <> ''
        )
    end as authors,
    list_filter(
        string_split(coalesce(record['categories'], ''), ' '),
        lambda category: category <> ''
    ) as categories,
    coalesce(version, cast(len(record['versions']) as smallint)) as version,
    published_at,
    cast(to_json({
        'submitter': record['submitter'],
        'comments': record['comments'],
        'journal-ref': record['journal-ref'],
        'doi': record['doi'],
        'report-no': record['report-no'],
        'license': record['license'],
        'versions': record['versions'],
        'update_date': record['update_date']
    }) as varchar) as payload,
    cast($fetched_at as timestamptz) as fetched_at,
from records_announced
