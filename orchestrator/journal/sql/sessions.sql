-- A session stands as a word, or with its figures, wherever an event has it.
SELECT DISTINCT value
FROM events, json_tree(events.data)
WHERE events.data LIKE '%"session"%'
  AND ((key = 'session' AND type = 'text') OR (key = 'id' AND path LIKE '%.session'));
