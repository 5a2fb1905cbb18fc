-- Where each wheel on our index comes from. What has no build was mirrored: builds that made a wheel are kept.
-- depends: 0015.image-reports

alter table wheels add column origin text;
update wheels set origin = case when build_id is null then 'mirrored' else 'built' end;
alter table wheels alter column origin set not null;
alter table wheels add constraint wheels_origin_check check (origin in ('built', 'mirrored'));

create or replace function wheelyard_tally_wheel() returns trigger language plpgsql as $$
begin
    perform wheelyard_tally('wheels', array[new.origin]);
    return null;
end
$$;
