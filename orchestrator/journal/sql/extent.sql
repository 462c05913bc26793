-- The number of the last event, how many there are, and how many rows belong to no run: as the table has them (`+`), not its index.
SELECT coalesce(max(seq), 0), count(*),
       count(*) FILTER (WHERE run NOT IN (SELECT +id FROM runs NOT INDEXED))
       + (SELECT count(*) FROM plans NOT INDEXED WHERE run NOT IN (SELECT +id FROM runs NOT INDEXED))
FROM events;
