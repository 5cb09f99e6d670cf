-- What officers ask of appliances, and what became of it. `change` rises with every change of a row, so that a page
-- that listens sees it. Nothing is deleted.
CREATE TABLE asked (
  id INTEGER PRIMARY KEY,
  change INTEGER NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  hit_id TEXT NOT NULL DEFAULT '',
  by TEXT NOT NULL,
  made_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  body BLOB NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting',
  sent_ms INTEGER NOT NULL DEFAULT 0,
  times INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER,
  reply BLOB,
  replied_ms INTEGER,
  UNIQUE (site, edge, transaction_id)
);
CREATE INDEX asked_due ON asked (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX asked_hit ON asked (hit_id, id) WHERE hit_id <> '';
CREATE INDEX asked_change ON asked (change);

-- Evidence packages as appliances hand them out on request, in parts; filed under their sender, like pictures.
CREATE TABLE evidence_part (
  hit_id TEXT NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  part INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (hit_id, site, edge, part)
);

-- The keys that appliances showed, the first first; and what a hit's signature made of it.
CREATE TABLE key (
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  kid TEXT NOT NULL,
  pem TEXT NOT NULL,
  first_ms INTEGER NOT NULL,
  UNIQUE (site, edge, kid)
);
ALTER TABLE hit ADD COLUMN trust TEXT NOT NULL DEFAULT 'unsigned';
CREATE INDEX hit_unknown ON hit (site, edge, id) WHERE trust = 'unknown';

-- Who looked at or took out what, and what appliances say was done on them: views are logged like edits.
CREATE TABLE log (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  site TEXT NOT NULL,
  edge TEXT NOT NULL,
  by TEXT NOT NULL,
  what TEXT NOT NULL,
  about TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX log_about ON log (about, id);
