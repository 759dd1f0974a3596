-- Duplicates: changes that the lake holds more than once, as at-least-once delivery allows.
SELECT "eventid", {group, key}, count(*) AS {new copies}
FROM all_changes
GROUP BY "eventid", {group, key}
HAVING count(*) > 1
ORDER BY {new copies} DESC, "eventid"
