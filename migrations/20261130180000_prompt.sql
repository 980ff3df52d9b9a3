-- The classified text of a request, where `store.capture` keeps it.
alter table requests add column prompt text;
