-- What kind of machine a job needs, and what kinds agents offer.

ALTER TABLE jobs ADD COLUMN platform TEXT NOT NULL DEFAULT 'linux';
ALTER TABLE queue ADD COLUMN platform TEXT NOT NULL DEFAULT 'linux';
CREATE INDEX queue_by_platform ON queue (platform, seq);

-- Words with commas between them and around them.
ALTER TABLE agents ADD COLUMN offers TEXT NOT NULL DEFAULT ',linux,';
