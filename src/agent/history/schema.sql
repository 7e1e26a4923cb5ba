CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    tasks TEXT NOT NULL,
    started INTEGER NOT NULL,
    seconds REAL NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    snapshot_id TEXT,
    repository TEXT,
    downtime REAL,
    fault TEXT,
    file TEXT,
    UNIQUE (job, file)
);

CREATE TABLE run_tasks (
    job TEXT NOT NULL,
    task TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    PRIMARY KEY (job, task, run)
) WITHOUT ROWID;

CREATE TABLE works (
    job TEXT NOT NULL,
    repository TEXT NOT NULL,
    task TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    started INTEGER NOT NULL,
    seconds REAL NOT NULL,
    outcome TEXT NOT NULL,
    good INTEGER,
    snapshot_id TEXT,
    figures TEXT NOT NULL
);

CREATE INDEX runs_by_job ON runs (job, run);
CREATE INDEX run_tasks_by_run ON run_tasks (run);
CREATE INDEX works_by_run ON works (run);
CREATE INDEX works_that_are_good ON works (job, repository, task, good);
CREATE INDEX works_by_time ON works (job, repository, started);
