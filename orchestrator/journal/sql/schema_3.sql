-- Version 3. Operations that are done again and again, and what does them without a model (docs/outloop.md). These tables are
-- no part of what happened: others than the engine write them, too, and all but people's decisions can be made anew.
CREATE TABLE adw_tools (
    tool_name      TEXT PRIMARY KEY,
    script_path    TEXT NOT NULL,
    does           TEXT NOT NULL CHECK (json_valid(does)),            -- signatures, or beginnings of them
    input_patterns TEXT NOT NULL CHECK (json_valid(input_patterns)),  -- words of tasks that ask for it
    writes         TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(writes)),  -- globs of what it may change
    timeout_s      REAL NOT NULL,
    shipped        INTEGER NOT NULL DEFAULT 0,
    status         TEXT NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
    why            TEXT NOT NULL DEFAULT '',
    calls          INTEGER NOT NULL DEFAULT 0,
    successes      INTEGER NOT NULL DEFAULT 0,
    judged_from    INTEGER NOT NULL DEFAULT 0,             -- calls behind this one are what may disable it
    digest         TEXT NOT NULL DEFAULT '',               -- of the script as a person added it; that of what ships is in the program
    avg_cost_usd   REAL NOT NULL DEFAULT 0,
    success_rate   REAL GENERATED ALWAYS AS (CASE WHEN calls THEN 1.0 * successes / calls END) VIRTUAL
) STRICT;

CREATE TABLE operation_patterns (
    id                        INTEGER PRIMARY KEY,
    pattern_signature         TEXT NOT NULL UNIQUE,
    occurrence_count          INTEGER NOT NULL DEFAULT 0,
    measured                  INTEGER NOT NULL DEFAULT 0,  -- of these, with known tokens
    avg_tokens_with_llm       REAL,
    priced                    INTEGER NOT NULL DEFAULT 0,  -- of these, with a known cost
    avg_cost_with_llm_usd     REAL,
    avg_tokens_with_tool      REAL,
    avg_cost_with_tool_usd    REAL,
    potential_monthly_savings REAL NOT NULL DEFAULT 0,     -- dollars
    automation_status         TEXT NOT NULL DEFAULT 'detected' CHECK (automation_status IN
                              ('detected', 'candidate', 'approved', 'implemented', 'active', 'deprecated')),
    confidence_score          REAL NOT NULL DEFAULT 0 CHECK (confidence_score BETWEEN 0 AND 100),
    typical_command           TEXT NOT NULL DEFAULT '',
    first_seen                TEXT NOT NULL,               -- ISO-8601 UTC
    last_seen                 TEXT NOT NULL,
    tool_name                 TEXT REFERENCES adw_tools (tool_name),
    decided_by                TEXT,
    issue                     TEXT,                        -- where it is suggested to others; never twice
    why                       TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE pattern_occurrences (
    pattern_id       INTEGER NOT NULL REFERENCES operation_patterns (id),
    workflow_id      TEXT NOT NULL,                        -- RUN TASK TRY, or a client's session
    signature        TEXT NOT NULL,                        -- the most specific one, of which the pattern's is a beginning
    similarity_score REAL NOT NULL CHECK (similarity_score BETWEEN 0 AND 100),
    at               TEXT NOT NULL,
    times            INTEGER NOT NULL,
    ok               INTEGER,
    tokens           INTEGER,
    cost_usd         REAL,
    command          TEXT NOT NULL,
    live             INTEGER NOT NULL,
    PRIMARY KEY (pattern_id, workflow_id, signature)
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_calls (
    id               INTEGER PRIMARY KEY,
    tool_name        TEXT NOT NULL REFERENCES adw_tools (tool_name),
    pattern          TEXT NOT NULL,
    workflow_id      TEXT NOT NULL UNIQUE,
    at               TEXT NOT NULL,
    duration_seconds REAL NOT NULL,
    ok               INTEGER NOT NULL,
    tokens_saved     INTEGER NOT NULL,
    cost_saved_usd   REAL NOT NULL
) STRICT;

CREATE INDEX tool_calls_of ON tool_calls (tool_name, ok);

CREATE TABLE hook_events (
    id         INTEGER PRIMARY KEY,
    event_type TEXT NOT NULL CHECK (event_type IN ('PreToolUse', 'PostToolUse', 'UserPromptSubmit', 'FileAccess')),
    session    TEXT NOT NULL,
    at         TEXT NOT NULL,
    payload    TEXT NOT NULL CHECK (json_valid(payload)),
    processed  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX hook_events_of ON hook_events (event_type, session);

CREATE TABLE cost_savings_log (
    id                INTEGER PRIMARY KEY,
    at                TEXT NOT NULL,
    optimization_type TEXT NOT NULL CHECK (optimization_type IN ('tool_call', 'input_split', 'pattern_offload', 'inverted_flow')),
    workflow_id       TEXT NOT NULL,
    pattern           TEXT,
    tokens_saved      INTEGER NOT NULL,
    cost_saved_usd    REAL NOT NULL,
    baseline          INTEGER NOT NULL CHECK (baseline >= 1),  -- so many measured workflows
    UNIQUE (optimization_type, workflow_id)
) STRICT;

-- How far somebody has read: of the events, or of a client's file.
CREATE TABLE outloop_read (
    name TEXT PRIMARY KEY,
    upto INTEGER NOT NULL
) STRICT;
