INSERT INTO plans (run, place, id, path, sha256, bytes) VALUES (?, ?, ?, ?, ?, ?);
