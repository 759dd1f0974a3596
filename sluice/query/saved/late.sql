-- Late arrivals: records written more than an hour after their event time, the latest first.
SELECT
  {group, key},
  from_unixtime({time} / 1e3) AS {new happened},
  from_unixtime("changedat" / 1e3) AS {new written},
  round(("changedat" - {time}) / 36e5, 1) AS {new hours_late}
FROM all_changes
WHERE "changetype" = 'INSERT' AND "changedat" - {time} > 3600000
ORDER BY {new hours_late} DESC, {group, key}
LIMIT 1000
