-- What was done about hits: dispositions, exports and views, holds, purges, commands. Rows are only ever added, each
-- linked to the one before; numbers begin where the ledger's hits do.
CREATE TABLE act (
  number    INTEGER PRIMARY KEY,
  at_ns     INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  hit_id    TEXT,
  body      BLOB NOT NULL,              -- what was done, as JSON
  signature BLOB,                       -- the appliance's, over the link; none where it had no key
  prev      BLOB NOT NULL,
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX act_hit ON act (hit_id, number) WHERE hit_id IS NOT NULL;

-- Each disposition is applied once; one that comes again gets its first answer.
CREATE TABLE disposition (
  disposition_id TEXT PRIMARY KEY,
  hit_id         TEXT NOT NULL,
  outcome        TEXT NOT NULL,
  act            INTEGER NOT NULL REFERENCES act (number),
  digest         BLOB NOT NULL,         -- of what it says: the same id with other words is a conflict
  answer         BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX disposition_hit ON disposition (hit_id, act);

-- Commands of the last day; one that comes again gets its first answer and does nothing.
CREATE TABLE command (
  transaction_id TEXT PRIMARY KEY,
  at_ns          INTEGER NOT NULL,
  name           TEXT NOT NULL,
  digest         BLOB NOT NULL,
  answer         BLOB                   -- none while it is under way
) STRICT, WITHOUT ROWID;
CREATE INDEX command_age ON command (at_ns);

-- When the console named the very bytes that it stored; a receipt from before this column was taken at its word.
ALTER TABLE hit ADD COLUMN proven_ns INTEGER;
UPDATE hit SET proven_ns = received_ns;

ALTER TABLE outbox ADD COLUMN correlation BLOB;  -- MQTT 5: what the asker wants to see on the answer
