-- Builds of commits: which commit a repository's tag had before. Builds of releases are not in the index.
-- depends: 0027.recipes

create index builds_of_tags on builds ((sdist->'git'->>'url'), (sdist->'git'->>'tag'), sequence)
where sdist->'git'->>'tag' is not null;
