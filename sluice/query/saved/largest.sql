-- Largest: the sites and minutes of event time with the most lines, whatever the layout.
SELECT
  siteid,
  date_trunc('minute', from_unixtime(createdattime / 1e3)) AS minute,
  count(*) AS lines
FROM all_changes
GROUP BY 1, 2
ORDER BY lines DESC, 1, 2
LIMIT 20
