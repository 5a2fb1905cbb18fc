-- An sdist that was uploaded has no build of its own, but a request for its wheels (docs/decisions/0045).
-- depends: 0031.sdists

alter table brought_files add column request_id uuid references prebuilds;
-- Whether a build of an sdist still goes on.
create index builds_open_by_source on builds ((sdist->>'sha256')) where status in ('queued', 'running');
