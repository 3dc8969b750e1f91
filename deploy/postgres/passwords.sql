-- Sets the passwords of the roles, which psql (14 or newer) takes from the environment: no command line shows them.
-- A variable that is not set is a syntax error.

\set ON_ERROR_STOP on
\getenv owner SCRIP_OWNER_PASSWORD
\getenv worker SCRIP_WORKER_PASSWORD
\getenv reader SCRIP_READER_PASSWORD

ALTER ROLE scrip_owner PASSWORD :'owner';
ALTER ROLE scrip_worker PASSWORD :'worker';
ALTER ROLE scrip_reader PASSWORD :'reader';
