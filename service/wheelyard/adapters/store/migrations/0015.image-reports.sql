-- Which images the engines of the workers have, so that an API whose host has no engine can tell.
-- depends: 0004.queue

create table image_reports (
    engine text primary key,
    host text not null,
    found jsonb not null,
    seen_at timestamptz not null default now()
);
