-- Lists of builds by the cause of their failure.
create index builds_by_cause on builds ((failure->>'code'), sequence desc) where failure is not null;
