-- Replicas of a key: what is on record of each location that was added to a credential after its first.

ALTER TABLE credential ADD COLUMN replicas TEXT;   -- JSON: [{token, justification, addedBy, addedAt, attributes, evidence}]
