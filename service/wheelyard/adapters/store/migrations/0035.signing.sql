-- Signed provenance of files (docs/decisions/0058). The keys themselves are never in the database.
-- depends: 0034.campaigns

alter table wheels add column provenance bytea;
alter table wheels add column provenance_sha256 text generated always as (encode(sha256(provenance), 'hex')) stored;
comment on column wheels.provenance is 'PEP 740''s provenance object, as it is served; null if nothing was signed yet';
create index wheels_without_provenance on wheels (sequence) where provenance is null and deleted_at is null;

create table signing_authorities (
    fingerprint text primary key,
    certificate text not null,
    added_at    timestamptz not null default now(),
    retired_at  timestamptz,
    -- The signed list of its revoked certificates, in DER, and what was true when it was signed.
    revocations bytea,
    listed_at   timestamptz,
    listed      integer not null default 0
);
comment on column signing_authorities.certificate is 'in PEM';
comment on column signing_authorities.retired_at is 'when another authority took its place; what it certified stays valid';

create table signing_certificates (
    id           uuid primary key,
    sequence     bigint generated always as identity unique,
    builder_id   text not null,
    name         text not null,
    public_key   bytea not null,
    requested_at timestamptz not null default now(),
    authority    text references signing_authorities,
    serial       text unique,
    certificate  bytea,
    valid_until  timestamptz,
    revoked_at   timestamptz,
    reason       text
);
comment on column signing_certificates.serial is 'in hexadecimal, as openssl prints it';
create index signing_certificates_due on signing_certificates (sequence) where certificate is null;
