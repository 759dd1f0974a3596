-- Latest state: the table as the lake has it.
-- sluice: filter-answer
-- A record may have come from another site or time.
SELECT *
FROM (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY changesequence DESC) AS recency
  FROM all_changes
) AS versions
WHERE recency = 1 AND changetype IS DISTINCT FROM 'REMOVE'
ORDER BY siteid, id
