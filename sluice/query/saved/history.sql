-- History: every version of one record, oldest first.
SELECT from_unixtime("changedat" / 1e3) AS {new changed}, *
FROM all_changes
WHERE {is_key}
ORDER BY {key,} "changesequence"
