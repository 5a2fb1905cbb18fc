-- What our index lists: a row for each file name that was ever published. A row is never removed, so that a name never
-- stands for other bytes; deleted_at marks what an operator has taken off.
-- depends: 0004.queue

create table wheels (
    filename        text primary key,
    sequence        bigint generated always as identity unique,
    project         text not null,
    version         text not null,
    build_id        uuid references builds on delete set null,
    python          text not null,
    platform        text not null,
    tag             text not null,
    sha256          text not null,
    size_bytes      bigint not null,
    requires_python text,
    metadata        bytea,
    metadata_sha256 text generated always as (encode(sha256(metadata), 'hex')) stored,
    level           text not null check (level in ('staging', 'prod')),
    url             text not null,
    uploaded_at     timestamptz not null default now(),
    yanked_at       timestamptz,
    yanked_reason   text,
    deleted_at      timestamptz
);

create index wheels_by_project on wheels (project, sequence desc);
create index wheels_by_build on wheels (build_id);

-- The pages' version numbers. Whoever changes a project's wheels takes the next serial in the same transaction; the one
-- row is a lock too, so that serials become visible in their order.
create table index_serial (value bigint not null);
insert into index_serial (value) values (1);

create table index_projects (
    name   text collate "C" primary key,
    serial bigint not null
);
create index index_projects_by_serial on index_projects (serial);

-- Builds that have published before there was this table. Their METADATA was not kept: 'wheelyard index check --mend'
-- reads it from devpi.
insert into wheels (filename, project, version, build_id, python, platform, tag, sha256, size_bytes, level, url,
                    uploaded_at)
select distinct on (wheel->>'filename')
       wheel->>'filename', project, version, id, python, platform, wheel->>'tag', wheel->>'sha256',
       (wheel->>'size_bytes')::bigint, 'prod', wheel->>'url', coalesce(finished_at, created_at)
from builds where status = 'succeeded' and wheel->>'url' is not null
order by wheel->>'filename', sequence;

insert into index_projects (name, serial) select distinct project, 1 from wheels;
