-- Builds that wait for other builds, whose wheels they require.
-- depends: 0008.web

alter table builds add column waiting boolean not null default false;
comment on column builds.waiting is 'queued, and not taken while there is a row in build_waits that is not released';

-- What a build has found missing. A row without a build is still to be ordered; one that is released was built.
create table build_waits (
    build_id     uuid not null references builds on delete cascade,
    project      text not null,
    version      text not null,
    sequence     bigint generated always as identity,
    for_build_id uuid references builds on delete set null,
    released_at  timestamptz,
    primary key (build_id, project, version)
);
create index build_waits_open on build_waits (sequence) where for_build_id is null and released_at is null;
create index build_waits_by_build on build_waits (for_build_id);
create index builds_that_wait on builds (id) where waiting;

-- As before, without what waits.
drop index builds_next;
create index builds_next on builds (lane, priority, turn, sequence)
    where status = 'queued' and not_before is null and not waiting;
