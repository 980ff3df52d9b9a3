-- The API that a request came by (1 chat completions, 2 embeddings), and the sub-agent that made it. Unknown of rows before
-- this.
alter table requests add column api integer;
alter table requests add column agent text;
