INSERT INTO runs (id, started_at, asked) VALUES (?, ?, ?);
