-- Which attempts ended because their worker's process died under them, and how often a build has been there.
-- depends: 0015.image-reports

alter table attempts add column worker_died boolean not null default false;
comment on column attempts.worker_died is 'the worker''s process was killed or crashed, on a host that went on';

alter table builds add column deaths integer not null default 0;
comment on column builds.deaths is 'workers that died while they ran it, since the last retry by hand';
