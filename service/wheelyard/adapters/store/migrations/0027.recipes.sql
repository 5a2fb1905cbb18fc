-- Recipes that the service keeps itself. Each change is a row, and rows are never changed.

create table recipe_revisions (
    sequence  bigint generated always as identity primary key,
    project   text not null,
    number    integer not null,
    text      text,
    saved_by  text not null,
    saved_at  timestamptz not null default now(),
    build_id  uuid,
    unique (project, number)
);

comment on column recipe_revisions.sequence is 'readers ask for what came after; one lock keeps it in the order of commits';
comment on column recipe_revisions.text is 'null if this revision removed the recipe';
comment on column recipe_revisions.build_id is 'the healed build that it was adopted from; that build may be deleted since';
