SELECT crc, run, place, id, path, sha256, bytes FROM plans NOT INDEXED WHERE run = ? ORDER BY place;
