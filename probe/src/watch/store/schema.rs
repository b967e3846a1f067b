//! The tables of a history. Times are milliseconds since 1970 in UTC.

/// Marks an SQLite file as a history: "KMSW".
pub(super) const APPLICATION_ID: i64 = 0x4B4D_5357;

/// The version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What leads from each version to the next, beginning with an empty file.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE history (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        instance TEXT NOT NULL
    ) STRICT;
    INSERT INTO history VALUES (1, lower(hex(randomblob(8))));
    CREATE TABLE watchpoint (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        target TEXT NOT NULL,
        memory TEXT NOT NULL,
        UNIQUE (name, source)
    ) STRICT;
    CREATE TABLE observation (
        id INTEGER PRIMARY KEY,
        watchpoint INTEGER NOT NULL,
        at INTEGER NOT NULL,
        elapsed_us INTEGER NOT NULL,
        level TEXT NOT NULL,
        severity TEXT NOT NULL,
        verdict TEXT NOT NULL,
        cause TEXT NOT NULL,
        is_verification INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX observation_by_watchpoint ON observation (watchpoint, id);
    CREATE INDEX observation_by_time ON observation (at);
    CREATE TABLE change (
        id INTEGER PRIMARY KEY,
        watchpoint INTEGER NOT NULL,
        at INTEGER NOT NULL,
        from_level TEXT,
        from_verdict TEXT,
        to_level TEXT NOT NULL,
        to_verdict TEXT NOT NULL,
        is_held INTEGER NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
    CREATE INDEX change_by_watchpoint ON change (watchpoint, id);
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY,
        watchpoint INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        recovery TEXT NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        outcome TEXT,
        output TEXT,
        verified_verdict TEXT,
        helped INTEGER
    ) STRICT;
    CREATE INDEX attempt_by_watchpoint ON attempt (watchpoint, id);
    CREATE TABLE alert (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        watchpoint INTEGER NOT NULL,
        at INTEGER NOT NULL,
        occasion TEXT NOT NULL,
        summary TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE delivery (
        id INTEGER PRIMARY KEY,
        alert INTEGER NOT NULL,
        channel TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given up')),
        attempts INTEGER NOT NULL,
        next_at INTEGER NOT NULL,
        ended_at INTEGER,
        error TEXT
    ) STRICT;
    CREATE INDEX delivery_waiting ON delivery (channel, id) WHERE state = 'waiting';
    CREATE INDEX delivery_by_alert ON delivery (alert);
"];
