-- Of a run, each behind how many it has, as the run's own row says; one row also where it has none.
SELECT runs.plans, plans.crc, plans.run, plans.place, plans.id, plans.path, plans.sha256, plans.bytes
FROM runs NOT INDEXED LEFT JOIN plans NOT INDEXED ON plans.run = runs.id WHERE runs.id = ? ORDER BY place;
