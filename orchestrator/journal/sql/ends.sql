-- Of each run the last event that says whether it is over: one that was resumed is not.
SELECT crc, max(seq) AS seq, run, at, kind, task, attempt, data
FROM events WHERE kind IN ('run_finished', 'run_resumed') GROUP BY run;
