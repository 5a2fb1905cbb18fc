-- The scope publish: tokens that upload certain projects.
-- depends: 0003.access

alter table tokens drop constraint tokens_scope_check;
alter table tokens add constraint tokens_scope_check
    check (scope in ('read', 'publish', 'request', 'operate', 'admin'));
alter table tokens add column publishes text[] not null default '{}';
alter table tokens add constraint tokens_publishes_check check ((scope = 'publish') = (publishes <> '{}'));

comment on column tokens.publishes is 'normalised names of projects, and prefixes such as acme-*';
