-- Sdists that others brought, and sdists among the files of the index. A name that was brought belongs to the
-- organisation from then on, so a row of sdists is never removed.
-- depends: 0029.uploads

create table sdists (
    filename        text primary key,
    sequence        bigint generated always as identity unique,
    project         text not null,
    version         text not null,
    sha256          text not null,
    size_bytes      bigint not null,
    requires_python text,
    metadata        bytea not null,
    url             text not null,
    brought_by      text not null,
    brought_at      timestamptz not null default now(),
    request_id      uuid,
    unique (project, version)
);

-- The files that the index lists: wheels, and the sdists that wheels on it were made from. An sdist is for no target.
alter table wheels add column kind text not null
    generated always as (case when filename like '%.whl' then 'wheel' else 'sdist' end) stored;
alter table wheels alter column python drop not null;
alter table wheels alter column platform drop not null;
alter table wheels alter column tag drop not null;
alter table wheels add constraint wheels_have_tags
    check (kind = 'sdist' or num_nulls(python, platform, tag) = 0);
alter table wheels drop constraint wheels_origin_check;
alter table wheels add constraint wheels_origin_check check (origin in ('built', 'mirrored', 'brought'));

create or replace function wheelyard_tally_wheel() returns trigger language plpgsql as $$
begin
    if new.kind = 'wheel' then
        perform wheelyard_tally('wheels', array[new.origin]);
    end if;
    return null;
end
$$;
