-- Newest first, each with the paths of its plans, between signs that no path has.
SELECT crc, id, started_at, asked, plans,
       (SELECT group_concat(path, char(0)) FROM plans NOT INDEXED WHERE plans.run = runs.id) AS paths
FROM runs ORDER BY rowid DESC;
