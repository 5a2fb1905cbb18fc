-- Builders of other architectures that a worker emulates (docs/decisions/0056): [architecture, suite, Python] of each.
-- depends: 0035.signing

alter table workers add column emulated jsonb not null default '[]';
