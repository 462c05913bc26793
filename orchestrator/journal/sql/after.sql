SELECT crc, seq, run, at, kind, task, attempt, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?;
