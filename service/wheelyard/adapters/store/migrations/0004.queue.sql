-- The order in which builds are taken, waiting before another attempt, what a build needs, and the workers.
-- depends: 0003.access

alter table builds
    add column priority          smallint not null default 0 check (priority in (0, 1)),
    add column queued_for        text not null default '',
    add column turn              bigint not null default 0,
    add column not_before        timestamptz,
    add column uncounted         integer not null default 0,
    add column need_cpus         double precision,
    add column need_memory_bytes bigint,
    -- Where a build can run: architecture, suite, Python.
    add column lane              text not null generated always as (
        regexp_replace(platform, '^[a-z]+_[0-9]+_[0-9]+_', '') || '/' || builder || '/' || python) stored;

comment on column builds.priority is '0 is interactive, 1 is batch';
comment on column builds.queued_for is 'whose turn it is when it is taken';
comment on column builds.turn is 'place in the queue of its lane and priority: one requester''s builds have ascending turns';
comment on column builds.not_before is 'while it waits for another attempt; the sweep clears it when the time has come';
comment on column builds.uncounted is 'attempts that do not count towards max_attempts: handed back, or before a retry by hand';

-- A claim reads the beginning of its lanes in this order, whatever waits behind.
create index builds_next on builds (lane, priority, turn, sequence) where status = 'queued' and not_before is null;
create index builds_turns on builds (lane, queued_for, priority, turn) where status = 'queued';
create index builds_waiting on builds (not_before) where status = 'queued' and not_before is not null;
create index builds_held on builds (worker) where status = 'running';

create table workers (
    name          text primary key,
    host          text not null,
    architecture  text not null,
    builders      jsonb not null,
    slots         integer not null,
    cpus          double precision not null,
    memory_bytes  bigint not null,
    state         text not null check (state in ('active', 'draining', 'stopped')),
    started_at    timestamptz not null default now(),
    seen_at       timestamptz not null default now()
);

-- When work that is done once for all workers was begun last.
create table periodic_work (
    name     text primary key,
    begun_at timestamptz not null default now()
);
