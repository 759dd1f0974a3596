-- Duplicates: changes that the lake holds more than once, as at-least-once delivery allows.
SELECT eventid, siteid, id, count(*) AS copies
FROM all_changes
GROUP BY 1, 2, 3
HAVING count(*) > 1
ORDER BY copies DESC, eventid
