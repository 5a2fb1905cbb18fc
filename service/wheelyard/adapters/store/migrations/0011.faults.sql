-- Which uploads were begun, so that a file that nobody recorded is known as ours; logs of ended attempts in pieces.
-- depends: 0008.web

create table uploads (
    filename text not null,
    sha256   text not null,
    build_id uuid not null references builds on delete cascade,
    attempt  integer not null,
    begun_at timestamptz not null default now(),
    primary key (filename, sha256, build_id, attempt)
);
create index uploads_by_build on uploads (build_id);

-- A piece is compressed by itself, so that a reader of the middle reads no more than the middle. Logs of before are whole
-- in attempts.log_gzip.
create table log_pieces (
    build_id  uuid not null,
    attempt   integer not null,
    start     bigint not null,
    data      bytea not null,
    primary key (build_id, attempt, start),
    foreign key (build_id, attempt) references attempts (build_id, number) on delete cascade
);

-- Logs that ended before are whole and compressed.
alter table attempts add column log_packed boolean not null default true;
alter table attempts alter column log_packed set default false;
update attempts set log_packed = false where finished_at is null;
create index attempts_unpacked on attempts (finished_at) where finished_at is not null and not log_packed;
