INSERT INTO runs (id, started_at, asked, plans, crc) VALUES (?, ?, ?, ?, ?);
