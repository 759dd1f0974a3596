-- Changes and records by site and hour of event time.
SELECT
  siteid,
  date_trunc('hour', from_unixtime(createdattime / 1e3)) AS hour,
  count(DISTINCT eventid) AS changes,
  count(DISTINCT id) AS records
FROM all_changes
GROUP BY 1, 2
ORDER BY 1, 2
