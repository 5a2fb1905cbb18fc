-- What wheels contain, how devpi compared with the database at the last look, and names by their beginning.
-- depends: 0008.web

alter table wheels add column contents jsonb, add column file_count integer;

-- One row: the newest report.
create table index_report (
    id         integer primary key default 1 check (id = 1),
    checked_at timestamptz not null,
    wheels     integer not null,
    files      integer not null,
    found      integer not null,
    findings   jsonb not null
);

create index builds_by_name on builds (project collate "C");
create index wheels_by_upload on wheels (uploaded_at);
create index prebuilds_by_requester on prebuilds (requested_by, sequence desc);
