-- History: every version of one record, oldest first.
SELECT from_unixtime(changedat / 1e3) AS changed, *
FROM all_changes
WHERE id = :key
ORDER BY changesequence
