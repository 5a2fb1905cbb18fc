-- Scopes of tokens, sessions of the web pages, and the audit log.
-- depends: 0001.initial

-- Tokens from before there were scopes could do everything.
alter table tokens add column scope text not null default 'admin'
    check (scope in ('read', 'request', 'operate', 'admin'));
alter table tokens alter column scope drop default;

create table sessions (
    secret_digest text primary key,
    token_id      uuid not null references tokens on delete cascade,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null
);

create table audit (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    actor   text not null,
    action  text not null,
    object  text not null,
    details jsonb not null default '{}'
);

create index audit_by_object on audit (object, id desc);
