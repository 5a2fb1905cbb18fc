-- Indexes of the suites' package archives (wheelyard/domain/catalogue/archive_index.py), compressed, a few MB each.
create table suite_archives (
    suite text not null,
    architecture text not null,
    -- Null until a worker has read the archive.
    data bytea,
    digest text,
    format integer,
    read_at timestamptz,
    -- When a process that cannot read archives needed it, or needed a newer one.
    asked_at timestamptz,
    -- Until when a worker that reads it keeps the others from doing so.
    reading_until timestamptz,
    primary key (suite, architecture)
);
-- It is compressed already.
alter table suite_archives alter column data set storage external;
