-- Lists of builds by status, and figures of the last days, as the web pages show them.
-- depends: 0005.index

create index builds_by_status on builds (status, sequence desc);
create index builds_by_end on builds (finished_at);
create index requests_by_time on requests (created_at);
