-- Which prebuild wants a build, which turn may write, what an input may leave out, and whom to tell of a prebuild's end.
-- depends: 0006.prebuilds 0008.web

alter table requests
    add column prebuild_id uuid references prebuilds on delete set null,
    add column withdrawn   boolean not null default false;
create index requests_by_build on requests (build_id);
create index requests_by_prebuild on requests (prebuild_id) where prebuild_id is not null;

alter table prebuilds
    add column turn          bigint not null default 0,
    add column allow_skipped boolean not null default false,
    add column webhook_url   text;

-- The outbox: a row is written in the transaction that ends its prebuild; due_at is null once there is nothing to do.
create table webhooks (
    prebuild_id  uuid primary key references prebuilds on delete cascade,
    url          text not null,
    due_at       timestamptz default now(),
    attempts     integer not null default 0,
    delivered_at timestamptz,
    given_up_at  timestamptz,
    fault        text
);
create index webhooks_due on webhooks (due_at) where due_at is not null;
