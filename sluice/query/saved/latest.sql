-- Latest state: the table as the lake has it.
-- sluice: filter-answer
-- A record may have come from another part of the lake.
SELECT {columns}
FROM (
  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY "changesequence" DESC) AS {new recency}
  FROM {last_changes}
) AS versions
WHERE {new recency} = 1 AND "changetype" IS DISTINCT FROM 'REMOVE'
ORDER BY {group, key}
