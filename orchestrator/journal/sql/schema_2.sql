-- Version 2. A checksum for each row (`checksum` is of file.py, over all of the row but itself): a flipped bit is told, not
-- believed. And how many plans a run has: one that lost a plan would go on with half of its work.
ALTER TABLE runs   ADD COLUMN plans INTEGER;
ALTER TABLE runs   ADD COLUMN crc INTEGER;
ALTER TABLE plans  ADD COLUMN crc INTEGER;
ALTER TABLE events ADD COLUMN crc INTEGER;

UPDATE runs   SET plans = (SELECT count(*) FROM plans WHERE plans.run = runs.id);
UPDATE runs   SET crc = checksum(id, started_at, asked, plans);
UPDATE plans  SET crc = checksum(run, place, id, path, sha256, bytes);
UPDATE events SET crc = checksum(seq, run, at, kind, task, attempt, data);

-- Tables are read as they lie: what an index has lost would be missing in silence.
DROP INDEX events_of_run;
