-- Late arrivals: records written more than an hour after their event time, the latest first.
SELECT
  siteid,
  id,
  from_unixtime(createdattime / 1e3) AS happened,
  from_unixtime(changedat / 1e3) AS written,
  round((changedat - createdattime) / 36e5, 1) AS hours_late
FROM all_changes
WHERE changetype = 'INSERT' AND changedat - createdattime > 3600000
ORDER BY hours_late DESC, siteid, id
LIMIT 1000
