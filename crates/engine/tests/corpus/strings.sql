-- Text: patterns, positions, cases, lengths in characters.

-- name: like_percent
SELECT id FROM texts WHERE t LIKE 'a%' ORDER BY id;
-- name: like_underscore
SELECT id FROM texts WHERE t LIKE '_a_' ORDER BY id;
-- name: like_underscore_is_one_character
SELECT id FROM texts WHERE t LIKE '___' ORDER BY id;
-- name: like_whole_text
SELECT 'ab' LIKE 'a', 'ab' LIKE 'ab', '' LIKE '%', '' LIKE '';
-- name: like_escape_default
SELECT id FROM texts WHERE t LIKE '%\%' ORDER BY id;
-- name: like_escape_underscore
SELECT id FROM texts WHERE t LIKE '%\_%' ORDER BY id;
-- name: like_escape_backslash
SELECT id FROM texts WHERE t LIKE '%\\%' ORDER BY id;
-- name: like_escape_clause
SELECT id FROM texts WHERE t LIKE '%!%' ESCAPE '!' ORDER BY id;
-- name: like_escape_clause_underscore
SELECT id FROM texts WHERE t LIKE '%#_%' ESCAPE '#' ORDER BY id;
-- name: like_escape_none
SELECT 'a\b' LIKE 'a\b' ESCAPE '';
-- name: like_null
SELECT id, t LIKE NULL FROM texts WHERE id = 2;
-- name: not_like
SELECT id FROM texts WHERE t NOT LIKE '%a%' ORDER BY id;
-- name: ilike
SELECT id FROM texts WHERE t ILIKE 'HELLO%' ORDER BY id;
-- name: ilike_unicode
SELECT id FROM texts WHERE t ILIKE 'grÜ%' ORDER BY id;
-- name: not_ilike
SELECT count(*) FROM texts WHERE t NOT ILIKE '%A%';
-- name: like_newline
SELECT E'a\nb' LIKE 'a%b', E'a\nb' LIKE 'a_b';
-- name: like_regex_characters
SELECT 'a.c' LIKE 'a.c', 'abc' LIKE 'a.c', 'a+c' LIKE 'a+c', '(x)' LIKE '(x)';
-- name: like_pattern_from_column
SELECT id FROM texts WHERE t LIKE '%' || u || '%' ORDER BY id;
-- name: similar_to
SELECT id FROM texts WHERE t SIMILAR TO '(a|e)%' ORDER BY id;
-- name: similar_to_is_anchored
SELECT 'abc' SIMILAR TO 'b', 'abc' SIMILAR TO '%b%', 'abc' SIMILAR TO 'a_c';
-- name: concat_binds_looser_than_arithmetic
SELECT 'x' || id % 2, 'x' || id + 1, id * 2 || 'x' FROM depts ORDER BY id;
-- name: concat_of_a_sum
SELECT 1 + 2 || '3', '1' || 2 * 3 || 4 - 1;
-- name: concat_binds_tighter_than_comparison
SELECT 'a' || 'b' = 'ab', 'b' < 'a' || 'c', 'ab' LIKE 'a' || '%', 'ab' IN ('a' || 'b');
-- name: like_binds_tighter_than_equals
SELECT id FROM texts WHERE true = t LIKE 'a%' ORDER BY id;
-- name: regex_match
SELECT id FROM texts WHERE t ~ '^[a-z]+$' ORDER BY id;
-- name: regex_match_insensitive
SELECT id FROM texts WHERE t ~* '^HELLO' ORDER BY id;
-- name: regex_not_match
SELECT id FROM texts WHERE t !~ '[a-z]' ORDER BY id;
-- name: regexp_replace_first
SELECT regexp_replace('foobarbaz', 'b..', 'X');
-- name: regexp_replace_global
SELECT regexp_replace('foobarbaz', 'b..', 'X', 'g');
-- name: regexp_replace_groups
SELECT regexp_replace('John Smith', '(\w+) (\w+)', '\2, \1');
-- name: regexp_like
SELECT regexp_like('Hello', '^h', 'i'), regexp_like('Hello', '^h');
-- name: regexp_match_groups
SELECT regexp_match('foobarbeque', '(bar)(beque)');
-- name: regexp_count
SELECT regexp_count('ABCABCABC', 'A.'), regexp_count('abc', 'x');
-- name: regex_bad_pattern_is_error
SELECT 'a' ~ '(';
-- name: length_in_characters
SELECT id, length(t), char_length(t) FROM texts ORDER BY id;
-- name: octet_length
SELECT id, octet_length(t), bit_length(t) FROM texts ORDER BY id;
-- name: upper_lower
SELECT id, upper(t), lower(t) FROM texts WHERE id <> 5 ORDER BY id;
-- name: initcap
SELECT initcap('hello wORLD of-things');
-- name: substring_from_for
SELECT substring('Thomas' FROM 2 FOR 3), substring('Thomas' FROM 4), substring('Thomas' FOR 2);
-- name: substring_before_start
SELECT substring('hello', 0, 3), substring('hello', -2, 5);
-- name: substring_beyond_end
SELECT substring('hello', 10), substring('hello', 4, 100);
-- name: substring_negative_length_is_error
SELECT substring('hello', 2, -1);
-- name: substring_unicode
SELECT substring('日本語テキスト', 3, 2), substr('e😀e', 2, 1);
-- name: left_right
SELECT left('hello', 2), right('hello', 2), left('hello', -2), right('hello', -2), left('日本語', 1);
-- name: position
SELECT position('lo' IN 'hello'), position('x' IN 'hello'), position('' IN 'hello'), strpos('日本語', '語');
-- name: trim_both
SELECT '[' || trim(t) || ']' FROM texts WHERE id = 4;
-- name: trim_kinds
SELECT trim(BOTH 'x' FROM 'xxabxx'), trim(LEADING 'x' FROM 'xxabxx'), trim(TRAILING 'x' FROM 'xxabxx');
-- name: trim_set_of_characters
SELECT btrim('xyabcyx', 'xy'), ltrim('xyabc', 'yx'), rtrim('abcxy', 'yx');
-- name: trim_only_spaces
SELECT length(trim(E'\t a \n'));
-- name: pads
SELECT lpad('5', 3, '0'), rpad('ab', 5, 'xy'), lpad('hello', 2), lpad('a', 4);
-- name: repeat_reverse
SELECT repeat('ab', 3), repeat('x', 0), repeat('x', -1), reverse('héllo');
-- name: replace
SELECT replace('banana', 'an', 'AN'), replace('banana', '', 'x'), replace('banana', 'zz', 'y');
-- name: translate
SELECT translate('12345', '143', 'ax');
-- name: split_part
SELECT split_part('a,b,c', ',', 2), split_part('a,b,c', ',', 9), split_part('a,b,c', ',', -1);
-- name: split_part_zero_is_error
SELECT split_part('a,b,c', ',', 0);
-- name: concat_operator_null
SELECT 'a' || NULL, concat('a', NULL, 'b'), concat_ws('-', 'a', NULL, 'b', '');
-- name: concat_operator_number
SELECT 'id ' || id FROM depts ORDER BY id;
-- name: concat_of_columns
SELECT name || ' in ' || city FROM depts ORDER BY id;
-- name: starts_with
SELECT starts_with('hello', 'he'), starts_with('hello', ''), starts_with('hello', 'lo');
-- name: ascii_chr
SELECT ascii('a'), ascii('é'), chr(65), chr(8364), ascii('');
-- name: md5
SELECT md5('hello');
-- name: sha256_hex
SELECT encode(sha256('hello'), 'hex');
-- name: to_hex
SELECT to_hex(255), to_hex(4096);
-- name: empty_is_not_null
SELECT '' IS NULL, '' = '', length('');
-- name: trailing_spaces_matter
SELECT 'a ' = 'a', 'a' < 'a ';
-- name: text_comparison_case_sensitive
SELECT 'a' = 'A', 'B' < 'a', 'é' > 'z';
-- name: text_comparison_normalisation
SELECT U&'\00E9' = U&'e\0301';
-- name: text_between
SELECT id FROM texts WHERE t BETWEEN 'a' AND 'f' ORDER BY id;
-- name: text_in_list
SELECT id FROM texts WHERE t IN ('a', 'aaa', '', 'it''s') ORDER BY id;
-- name: text_in_many
SELECT id FROM texts WHERE u NOT IN ('A', 'x', 'aa', '41') ORDER BY id;
-- name: quote_in_literal
SELECT 'it''s', '''', E'tab\there';
-- name: dollar_quoted
SELECT $$it's$$;
-- name: unicode_escape
SELECT U&'\0061\00e9';
-- name: overlay
SELECT overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4);
-- name: string_to_array
SELECT string_to_array('a,b,,c', ',');
-- name: array_to_string
SELECT array_to_string(ARRAY['a', NULL, 'b'], ','), array_to_string(ARRAY['a', NULL, 'b'], ',', '*');
-- name: format_number_text
SELECT to_char(1234.5, '9999.99');
-- name: greatest_text
SELECT greatest('a', 'B', 'c'), least('a', 'B', NULL);
-- name: bytea_length
SELECT id, octet_length(b) FROM blobs ORDER BY id;
-- name: bytea_equality
SELECT id FROM blobs WHERE b = '\x00'::bytea;
-- name: encode_hex
SELECT encode(b, 'hex') FROM blobs WHERE id = 3;
-- name: decode_hex
SELECT decode('deadbeef', 'hex');
-- name: encode_base64
SELECT encode(b, 'base64') FROM blobs WHERE id = 5;
