-- What the search index and its questions make words of: the same macros for both.
--
-- folded(text)        lower case, without accents, letters and digits of normal width
-- words(text)         the words in order; of a run of Chinese characters its
--                     overlapping pairs: a longer run is found by what is within it
-- stem(word)          without a plural's ending
-- is_stop_word(word)  whether so many texts have it that it tells nothing
-- tokens(text)        what a text is found by: stems of words that are no stop words
--
-- DuckDB knows NFC only: widths and ligatures that NFKC would fold are folded by hand.
create or replace macro folded(a_text) as case
    when
        strlen(a_text) = length(a_text) and not contains(a_text, '\')
        then lower(a_text)
    else lower(strip_accents(translate(
        replace(replace(
            regexp_replace(a_text, '\{?\\["''`^~=.]\{?(\pL)\}?\}?', '\1', 'g'),
            'ﬁ', 'fi'
        ), 'ﬂ', 'fl'),
        '０１２３４５６７８９'
        || 'ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ'
        || 'ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
        '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    )))
end;

create or replace macro words(a_text) as case
    when strlen(a_text) = length(a_text) or not regexp_matches(a_text, '\p{Han}')
        then regexp_extract_all(folded(a_text), '[\p{L}\p{N}]+')
    else flatten(list_transform(
        regexp_extract_all(
            regexp_replace(folded(a_text), '(\p{Han}+)', ' \1 ', 'g'), '[\p{L}\p{N}]+'
        ),
        lambda word: case
            when length(word) > 1 and regexp_matches(word, '\p{Han}')
                then
                    list_transform(
                        range(1, length(word)), lambda place: word[place:place + 1]
                    )
            else [word]
        end
    ))
end;

create or replace macro stem(word) as case
    when not ends_with(word, 's') or strlen(word) < 4 then word
    when ends_with(word, 'ies') and strlen(word) > 4 then word[:-4] || 'y'
    when ends_with(word, 'sses') or ends_with(word, 'ches') or ends_with(word, 'xes')
        then word[:-3]
    when
        ends_with(word, 'ss') or ends_with(word, 'us') or ends_with(word, 'is')
        then word
    else word[:-2]
end;

create or replace macro is_stop_word(word) as word in (
    '',
    'a',
    'an',
    'and',
    'are',
    'as',
    'at',
    'be',
    'but',
    'by',
    'can',
    'for',
    'from',
    'has',
    'have',
    'in',
    'into',
    'is',
    'it',
    'its',
    'not',
    'of',
    'on',
    'or',
    'our',
    'such',
    'that',
    'the',
    'their',
    'these',
    'they',
    'this',
    'to',
    'was',
    'we',
    'were',
    'which',
    'will',
    'with'
);

create or replace macro tokens(a_text) as list_transform(
    list_filter(words(a_text), lambda word: not is_stop_word(word)),
    lambda word: stem(word)
);
