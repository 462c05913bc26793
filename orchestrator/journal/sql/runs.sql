-- Newest first; exit_code is null while it runs or after a crash.
SELECT runs.id, runs.started_at, runs.asked,
       (SELECT json_extract(data, '$.exit_code') FROM events
        WHERE events.run = runs.id AND kind IN ('run_finished', 'run_resumed')
        ORDER BY seq DESC LIMIT 1) AS exit_code,
       (SELECT group_concat(path, ' ') FROM plans WHERE plans.run = runs.id) AS paths
FROM runs ORDER BY runs.rowid DESC;
