-- Of one run; its numbers bound what is read, as events have no index of their runs.
SELECT crc, seq, run, at, kind, task, attempt, data
FROM events WHERE seq > ? AND seq <= ? AND run = ? ORDER BY seq LIMIT ?;
