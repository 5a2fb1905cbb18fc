-- Builds of folders and sdists that callers sent (docs/decisions/0045): their bytes are in brought_chunks until then.
-- depends: 0029.uploads

create index builds_of_sent_sources on builds ((sdist->>'url')) where sdist->>'kind' = 'local';
