-- The ledger's first form. Times are Unix nanoseconds. A hit's row is its outbox row too: a hit without received_ns is
-- on its way, and its bytes stand here once.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
  sha256     TEXT PRIMARY KEY,
  path       TEXT NOT NULL,             -- under the data directory
  media_type TEXT NOT NULL,
  bytes      INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  hold       INTEGER NOT NULL DEFAULT 0, -- a reason not to purge (a confirmed hit), whatever its age
  purged_ns  INTEGER
) STRICT;

CREATE TABLE hit (
  seq          INTEGER PRIMARY KEY,
  hit_id       TEXT NOT NULL,
  rev          INTEGER NOT NULL,
  device       TEXT NOT NULL,
  scan_id      TEXT NOT NULL,
  observed_ns  INTEGER NOT NULL,
  committed_ns INTEGER NOT NULL,
  payload      BLOB NOT NULL,           -- the event as published, byte for byte
  report       TEXT NOT NULL,           -- the verdict, whole, as JSON
  raw          BLOB,                    -- a reading's bytes as they came over the wire
  evidence     TEXT REFERENCES evidence (sha256),
  prev         BLOB NOT NULL,           -- the chain: hash of the row before
  hash         BLOB NOT NULL,
  sent_ns      INTEGER,                 -- PUBACK
  received_ns  INTEGER,                 -- the console's receipt
  set_aside    TEXT,                    -- the broker's reason for refusing it
  UNIQUE (hit_id, rev)
) STRICT;
CREATE INDEX hit_on_its_way ON hit (seq) WHERE received_ns IS NULL;
CREATE INDEX hit_evidence ON hit (evidence) WHERE evidence IS NOT NULL;

CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  class      TEXT NOT NULL,             -- verdict, thumb, evidence, audit
  topic      TEXT NOT NULL,             -- under up/
  payload    BLOB NOT NULL,
  created_ns INTEGER NOT NULL,
  set_aside  TEXT
) STRICT;
CREATE INDEX outbox_class ON outbox (class, id);

-- What a device sent already: a repeat (lost answer, restart of a share) is committed once.
CREATE TABLE seen (
  device  TEXT NOT NULL,
  key     TEXT NOT NULL,
  at_ns   INTEGER NOT NULL,
  verdict BLOB,
  PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_age ON seen (at_ns);
