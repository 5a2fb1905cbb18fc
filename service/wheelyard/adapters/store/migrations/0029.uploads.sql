-- Files that others bring (docs/decisions/0043). Their bytes wait here until a build has proven and published them.
-- depends: 0027.recipes

create table brought_files (
    id            uuid primary key,
    sequence      bigint generated always as identity unique,
    filename      text not null,
    project       text not null,
    version       text not null,
    sha256        text not null,
    size_bytes    bigint not null,
    uploaded_by   text not null,
    uploaded_at   timestamptz not null default now(),
    attestations  jsonb not null default '[]',
    -- Builds that failed are deleted after some time.
    build_id      uuid references builds on delete set null,
    superseded_at timestamptz
);
comment on column brought_files.superseded_at is 'when another upload took the name, after this one was refused';

-- Of two uploads of one name at once, one wins.
create unique index brought_files_by_name on brought_files (filename) where superseded_at is null;
create index brought_files_by_project on brought_files (project, sequence);
create index brought_files_by_build on brought_files (build_id);

-- Written before the file's row, in transactions of their own: one statement of a gigabyte would block everything else.
create table brought_chunks (
    file_id   uuid not null,
    number    integer not null,
    data      bytea not null,
    stored_at timestamptz not null default now(),
    primary key (file_id, number)
);
-- Wheels are compressed already.
alter table brought_chunks alter column data set storage external;

alter table wheels drop constraint wheels_origin_check;
alter table wheels add constraint wheels_origin_check check (origin in ('built', 'brought', 'mirrored'));
