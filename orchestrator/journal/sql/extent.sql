-- The number of the last event, how many there are, and how many rows belong to no run.
SELECT coalesce(max(seq), 0), count(*),
       count(*) FILTER (WHERE run NOT IN (SELECT id FROM runs))
       + (SELECT count(*) FROM plans NOT INDEXED WHERE run NOT IN (SELECT id FROM runs))
FROM events;
