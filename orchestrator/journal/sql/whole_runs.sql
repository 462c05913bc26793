-- As the table lies on the disk, whatever its indexes say.
SELECT crc, id, started_at, asked, plans FROM runs NOT INDEXED ORDER BY rowid;
