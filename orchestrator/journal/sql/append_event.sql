INSERT INTO events (run, at, kind, task, attempt, data) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq;
