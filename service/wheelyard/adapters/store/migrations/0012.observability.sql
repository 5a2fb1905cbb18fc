-- Running totals for /metrics, each worker's host, and which request a build came from.
-- depends: 0006.prebuilds 0008.web

alter table requests add column request_id text, add column trace_id text;
alter table builds add column request_id text, add column trace_id text;
alter table prebuilds add column request_id text, add column trace_id text;
alter table workers add column host_figures jsonb;

comment on column builds.request_id is 'id of the HTTP request that it was queued for, as in the log';
comment on column builds.trace_id is 'trace id of that request (W3C trace context)';

-- What has happened so often since this table was made. Nothing that is removed after its time is taken off again.
create table totals (
    name   text not null,
    labels text[] not null,
    bucket double precision not null,
    count  bigint not null,
    amount double precision not null,
    primary key (name, labels, bucket)
);

-- What is not in the totals yet: rows are only added, so that nobody waits for anybody. Any worker adds them up.
create table totals_news (
    name   text not null,
    labels text[] not null,
    bucket double precision not null,
    count  bigint not null,
    amount double precision not null
);

-- The bounds are BUCKETS of domain/builds/metrics.py; what is only counted has the amount 0.
create function wheelyard_tally(named text, labelled text[], measured double precision default 0) returns void
language sql as $$
    insert into totals_news (name, labels, bucket, count, amount)
    select named, labelled, coalesce(min(bound), 'infinity'), 1, measured
    from unnest(array[0, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200]::float8[]) bound
    where bound >= measured
$$;

-- Triggers, because several statements end builds and attempts, and each must be counted in its own transaction.
create function wheelyard_tally_build() returns trigger language plpgsql as $$
begin
    if new.status = 'running' and old.started_at is null then
        perform wheelyard_tally('build_wait', array[case new.priority when 0 then 'interactive' else 'batch' end],
                                greatest(extract(epoch from new.started_at - new.created_at), 0)::float8);
    end if;
    if new.status in ('succeeded', 'failed', 'cancelled') then
        perform wheelyard_tally('builds', array[new.status, coalesce(new.failure->>'code', '')]);
        if new.started_at is not null then
            perform wheelyard_tally('build_duration', array[new.status],
                                    greatest(extract(epoch from new.finished_at - new.started_at), 0)::float8);
        end if;
    end if;
    return null;
end
$$;
create trigger wheelyard_tally after update of status on builds
    for each row when (old.status is distinct from new.status) execute function wheelyard_tally_build();

create function wheelyard_tally_attempt() returns trigger language plpgsql as $$
begin
    perform wheelyard_tally('attempts', array[new.status, coalesce(new.failure->>'code', '')]);
    perform wheelyard_tally('stage_duration', array[timing->>'stage'], greatest((timing->>'seconds')::float8, 0))
    from jsonb_array_elements(new.timings) timing;
    return null;
end
$$;
create trigger wheelyard_tally after update of finished_at on attempts
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute function wheelyard_tally_attempt();

create function wheelyard_tally_request() returns trigger language plpgsql as $$
begin
    perform wheelyard_tally('requests', array[case when not new.joined then 'queued'
                                                   when status = 'succeeded' then 'satisfied' else 'joined' end])
    from builds where id = new.build_id;
    return null;
end
$$;
create trigger wheelyard_tally after insert on requests for each row execute function wheelyard_tally_request();

create function wheelyard_tally_wheel() returns trigger language plpgsql as $$
begin
    perform wheelyard_tally('wheels', array[case when new.build_id is null then 'mirrored' else 'built' end]);
    return null;
end
$$;
create trigger wheelyard_tally after insert on wheels for each row execute function wheelyard_tally_wheel();
