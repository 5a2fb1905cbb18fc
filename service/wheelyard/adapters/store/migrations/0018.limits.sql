-- What one token has that is not over is counted whenever it adds to it.
-- depends: 0015.image-reports

create index builds_queued_for on builds (queued_for) where status = 'queued';
create index prebuilds_open_by_owner on prebuilds (requested_by) where finished_at is null;
create index sessions_by_token on sessions (token_id);
