-- Prebuilds: what whole applications depend on, for several targets, and the builds that were started for that.
-- depends: 0005.index

create table prebuilds (
    id           uuid primary key,
    sequence     bigint generated always as identity unique,
    requested_by text not null,
    created_at   timestamptz not null default now(),
    finished_at  timestamptz,
    cancelled    boolean not null default false,
    targets      jsonb not null,
    prefer       text not null check (prefer in ('upstream', 'own')),
    skipped      jsonb not null default '[]',
    looked_at    timestamptz,
    held_until   timestamptz
);
create index prebuilds_unfinished on prebuilds (looked_at nulls first) where finished_at is null;

create table prebuild_items (
    prebuild_id uuid not null references prebuilds on delete cascade,
    number      integer not null,
    item        jsonb not null,
    primary key (prebuild_id, number)
);

-- Builds that a prebuild has started or joined, and those that were refused.
create table prebuild_builds (
    prebuild_id uuid not null references prebuilds on delete cascade,
    project     text not null,
    version     text not null,
    python      text not null,
    platform    text not null,
    build_id    uuid references builds on delete cascade,
    refusal     text,
    joined      boolean not null default false,
    primary key (prebuild_id, project, version, python, platform)
);
create index prebuild_builds_by_build on prebuild_builds (build_id);
