SELECT crc, run, place, id, path, sha256, bytes FROM plans NOT INDEXED ORDER BY rowid;
