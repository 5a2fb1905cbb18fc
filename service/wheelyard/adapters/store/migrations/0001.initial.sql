-- Builds, their attempts, logs, wheels, requests and tokens.
-- depends:

create table builds (
    id               uuid primary key,
    sequence         bigint generated always as identity unique,
    key              text not null,
    requirement      text not null,
    project          text not null,
    version          text not null,
    sdist            jsonb not null,
    python           text not null,
    platform         text not null,
    builder          text not null,
    recipe_digest    text not null,
    recipe           jsonb not null,
    status           text not null default 'queued'
                     check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    stage            text,
    attempt          integer not null default 0,
    max_attempts     integer not null,
    worker           text,
    lease_until      timestamptz,
    cancel_requested boolean not null default false,
    failure          jsonb,
    wheel            jsonb,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    finished_at      timestamptz
);

-- One build per key that is on its way or has a wheel; failed and cancelled ones do not stand in the way of a new try.
create unique index builds_one_per_key on builds (key) where status in ('queued', 'running', 'succeeded');
create index builds_by_project on builds (project, sequence desc);
create index builds_live on builds (status, lease_until) where status in ('queued', 'running');

create table attempts (
    build_id      uuid not null references builds on delete cascade,
    number        integer not null,
    worker        text not null,
    status        text not null default 'running',
    started_at    timestamptz not null default now(),
    finished_at   timestamptz,
    timings       jsonb not null default '[]',
    failure       jsonb,
    log_size      bigint not null default 0,
    log_gzip      bytea,
    log_truncated boolean not null default false,
    primary key (build_id, number)
);

create table log_chunks (
    build_id  uuid not null,
    attempt   integer not null,
    start     bigint not null,
    data      bytea not null,
    primary key (build_id, attempt, start),
    foreign key (build_id, attempt) references attempts (build_id, number) on delete cascade
);

create table requests (
    id           bigint generated always as identity primary key,
    build_id     uuid not null references builds on delete cascade,
    requirement  text not null,
    requested_by text not null,
    joined       boolean not null,
    created_at   timestamptz not null default now()
);

create table tokens (
    id            uuid primary key,
    name          text not null,
    secret_digest text not null unique,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);
