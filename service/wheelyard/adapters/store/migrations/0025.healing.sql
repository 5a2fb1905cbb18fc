-- How an attempt healed itself (wheelyard/domain/healing/healing.py); null if nothing was added or tried again.
alter table attempts add column healing jsonb;
