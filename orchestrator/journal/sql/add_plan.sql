INSERT INTO plans (run, place, id, path, sha256, bytes, crc) VALUES (?, ?, ?, ?, ?, ?, ?);
