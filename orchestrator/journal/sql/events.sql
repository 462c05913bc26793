SELECT crc, seq, run, at, kind, task, attempt, data FROM events WHERE run = ? ORDER BY seq;
