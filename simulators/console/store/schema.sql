-- What the console keeps. Times ending in _ms are milliseconds since 1970, UTC.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row a (hit_id, rev). `id` rises with arrival; `shown_ms` is when it was observed, never later than it arrived,
-- so that an appliance with a fast clock cannot sit on top of the page; `latest` marks the revision that is shown.
CREATE TABLE hit (
  id INTEGER PRIMARY KEY,
  hit_id TEXT NOT NULL,
  rev INTEGER NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  lane TEXT NOT NULL,
  device TEXT NOT NULL,
  severity TEXT NOT NULL,
  ledger_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  shown_ms INTEGER NOT NULL,
  arrived_ms INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  payload BLOB NOT NULL,
  UNIQUE (hit_id, rev)
);
CREATE INDEX hit_shown ON hit (shown_ms, id) WHERE latest;

-- `id` rises when a picture comes or changes. Filed under its sender: nobody can lay a picture over another's hit.
CREATE TABLE thumb (
  id INTEGER PRIMARY KEY,
  hit_id TEXT NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  arrived_ms INTEGER NOT NULL,
  jpeg BLOB NOT NULL,
  UNIQUE (hit_id, site, edge)
);

-- A second, different claim: other bytes for the same (hit_id, rev); another appliance's hit_id; a number used twice.
CREATE TABLE conflict (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  hit_id TEXT NOT NULL,
  rev INTEGER NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  other_sha256 BLOB NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  times INTEGER NOT NULL,
  payload BLOB NOT NULL,
  UNIQUE (kind, hit_id, rev, other_sha256)
);

CREATE TABLE bad (
  id INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  payload BLOB NOT NULL
);

CREATE TABLE appliance (
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  lane TEXT NOT NULL DEFAULT '',
  ledger_id TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'unknown',
  session TEXT NOT NULL DEFAULT '',
  state_at TEXT NOT NULL DEFAULT '',
  since_ms INTEGER NOT NULL DEFAULT 0,
  since_before INTEGER NOT NULL DEFAULT 0,
  past TEXT NOT NULL DEFAULT '[]',
  heard_ms INTEGER NOT NULL DEFAULT 0,
  late_wills INTEGER NOT NULL DEFAULT 0,
  birth BLOB,
  health BLOB,
  health_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (site, edge)
) WITHOUT ROWID;

CREATE TABLE device (
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  device TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  since TEXT NOT NULL,
  last_observation_at TEXT NOT NULL,
  heard_ms INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (site, edge, device)
) WITHOUT ROWID;

-- The sequence numbers that came, as disjoint ranges, and what is missing between them.
CREATE TABLE ledger (
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  ledger_id TEXT NOT NULL,
  seq_start INTEGER,
  missing INTEGER NOT NULL DEFAULT 0,
  gap_since_ms INTEGER,
  PRIMARY KEY (site, edge, ledger_id)
) WITHOUT ROWID;
CREATE TABLE seq_range (
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  ledger_id TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (site, edge, ledger_id, first)
) WITHOUT ROWID;

-- A verdict that came again is known by its digest; digests are forgotten after some days, counts never.
CREATE TABLE verdict_seen (digest BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (
  hour INTEGER NOT NULL,
  what TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (hour, what)
) WITHOUT ROWID;
