-- What a decision looked at besides the words, so that another configuration can be tried on the history. The words
-- themselves are not kept. NULL where nothing was looked at: a tier that the client named, a classifier that is off.
alter table requests add column step text; -- turn, approval, loop, side_call
alter table requests add column text_chars integer; -- characters of the text that was classified
alter table requests add column tools integer; -- how many tools were offered
alter table requests add column reasoning_effort text;
alter table requests add column rules text; -- names of the rules that held, with blanks between them
