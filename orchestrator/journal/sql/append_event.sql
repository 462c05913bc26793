INSERT INTO events (seq, run, at, kind, task, attempt, data, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?);
