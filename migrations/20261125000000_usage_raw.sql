-- The provider's own usage object is kept as it wrote it, so that a figure can be held against an invoice even
-- where a kind of token has no column of its own (audio, searches, the hour's share of what was cached).
alter table requests add column usage_raw text;
