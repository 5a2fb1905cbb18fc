-- Campaigns are requests that stay open until everything is served (docs/decisions/0055).
-- depends: 0033.sdist_uploads

alter table prebuilds
    add column campaign_source text,
    add column campaign_key    text;
comment on column prebuilds.campaign_source is 'index, or the name of the file whose releases are built for another Python';
comment on column prebuilds.campaign_key is 'digest of what the campaign asks for; null for the request of an application';
-- Asking twice for the same campaign gives the same one, as long as it is open.
create unique index prebuilds_open_campaign on prebuilds (campaign_key) where finished_at is null;

alter table prebuild_builds add column code text;
comment on column prebuild_builds.code is 'the error of a refusal';
