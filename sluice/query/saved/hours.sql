-- Hours: changes and records by hour of event time.
SELECT
  {group,}
  date_trunc('hour', from_unixtime({time} / 1e3)) AS {new hour},
  count(DISTINCT "eventid") AS {new changes},
  count(DISTINCT ({key})) AS {new records}
FROM all_changes
GROUP BY {group,} date_trunc('hour', from_unixtime({time} / 1e3))
ORDER BY {group,} {new hour}
