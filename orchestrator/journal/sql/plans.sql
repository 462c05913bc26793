SELECT id, path, sha256, bytes FROM plans WHERE run = ? ORDER BY place;
