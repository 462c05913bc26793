-- Version 1. A run, the exact plans it runs, and everything that happened, in order.
CREATE TABLE runs (
    id         TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,                            -- ISO-8601 UTC
    asked      TEXT NOT NULL CHECK (json_valid(asked))   -- what the command line asked for
) STRICT;

CREATE TABLE plans (
    run    TEXT NOT NULL REFERENCES runs (id),
    place  INTEGER NOT NULL,
    id     TEXT NOT NULL,
    path   TEXT NOT NULL,                                -- relative to the project root
    sha256 TEXT NOT NULL,
    bytes  BLOB NOT NULL,                                -- the run's own copy: edits come later
    PRIMARY KEY (run, place)
) STRICT;

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    run     TEXT NOT NULL REFERENCES runs (id),
    at      TEXT NOT NULL,                               -- ISO-8601 UTC
    kind    TEXT NOT NULL,
    task    TEXT,
    attempt INTEGER,
    data    TEXT NOT NULL CHECK (json_valid(data))
) STRICT;

CREATE INDEX events_of_run ON events (run, seq);

-- For people with an SQL shell; the program folds the events itself.
CREATE VIEW attempts AS
SELECT started.run, started.task, started.attempt,
       started.at AS started_at, finished.at AS finished_at,
       json_extract(started.data, '$.route.worker') AS worker,
       json_extract(started.data, '$.route.tier') AS tier,
       json_extract(finished.data, '$.outcome.failure') AS failure,
       json_extract(finished.data, '$.outcome.duration_s') AS duration_s,
       json_extract(finished.data, '$.outcome.usage.input_tokens') AS input_tokens,
       json_extract(finished.data, '$.outcome.usage.output_tokens') AS output_tokens,
       json_extract(finished.data, '$.outcome.usage.cost_usd') AS cost_usd,
       json_extract(finished.data, '$.outcome.verdict.verified') AS verified
FROM events AS started
LEFT JOIN events AS finished
       ON finished.run = started.run AND finished.task = started.task
      AND finished.attempt = started.attempt AND finished.kind = 'attempt_finished'
WHERE started.kind = 'attempt_started';

CREATE VIEW checks AS
SELECT run, task, attempt, at, json_extract(data, '$.stage') AS stage,
       json_extract(data, '$.check.command') AS command, json_extract(data, '$.check.result') AS result,
       json_extract(data, '$.check.exit_code') AS exit_code
FROM events WHERE kind = 'check_finished';

CREATE VIEW approvals AS
SELECT run, task, at, json_extract(data, '$.answer.approved') AS approved, json_extract(data, '$.answer.option') AS option,
       json_extract(data, '$.answer.note') AS note, json_extract(data, '$.answer.by') AS by
FROM events WHERE kind = 'checkpoint_answered';
