-- Largest: the minutes of event time with the most lines, whatever the layout.
SELECT
  {group,}
  date_trunc('minute', from_unixtime({time} / 1e3)) AS {new minute},
  count(*) AS {new lines}
FROM all_changes
GROUP BY {group,} date_trunc('minute', from_unixtime({time} / 1e3))
ORDER BY {new lines} DESC, {group,} {new minute}
LIMIT 20
