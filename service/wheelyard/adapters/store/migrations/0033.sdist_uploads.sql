-- An sdist that was uploaded has no build of its own, but a request for its wheels (docs/decisions/0046).
-- depends: 0032.local_sources

alter table brought_files add column request_id uuid references prebuilds;
create index brought_files_by_request on brought_files (request_id) where request_id is not null;
-- Whether a build of an sdist still goes on.
create index builds_open_by_source on builds ((sdist->>'sha256')) where status in ('queued', 'running');
