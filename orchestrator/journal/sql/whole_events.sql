SELECT crc, seq, run, at, kind, task, attempt, data FROM events NOT INDEXED ORDER BY seq;
