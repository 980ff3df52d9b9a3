-- Who answered is not which step decided: a column of its own, and `source` says again what it says of every other
-- request. Of what the response cache answered before, `source` was overwritten: it stays unknown there.
-- Beside it: candidates that were passed over, and what a decision looked at, so that it can be made again.
alter table requests add column answered_by integer; -- 0, 1, 2 a tier, -1 nobody, -2 the response cache; NULL: as `tier` says
alter table requests add column skipped text; -- JSON: [{"upstream", "tier", "reason"}]
alter table requests add column failures integer; -- tool results that told of a failure
alter table requests add column estimated_input_tokens integer; -- before the call
alter table requests add column rules_looked integer; -- bit n: the rule with the nth mark of the policy was looked at
alter table requests add column policy integer; -- references policies (hash)
alter table requests add column judge integer; -- 0 the embedded classifier, 1 its model, 2 nobody; before rules
alter table requests add column judged integer; -- 0, 1, 2: the tier that was judged then
alter table requests add column pin text; -- the conversation as it stood before: TIER LAST_MS [TIER INPUT CACHED OUTPUT]

-- The classifiers and rules that were in force.
create table policies (
    hash  integer primary key,
    marks text    not null -- of the classifier, of its model, and of each rule: NAME=HASH, with blanks between them
) strict;

-- Marks lead to the few zones that have such a row.
update requests set answered_by = -2 where id in (
    select r.id from marks m cross join requests r on r.id >= m.zone << 8 and r.id < (m.zone + 1) << 8
    where m.facet = 5 and m.value = (select id from names where name = 'response_cache')
    and r.source_id = (select id from names where name = 'response_cache') and r.tier is null);

-- What the response cache answered leaves the sums by one column, and has sums of its own there: its facets have 100 more.
insert into rollup_facet_hour select f.facet + 100, begin_ms, case f.facet when 2 then upstream_id when 3 then model_id
    when 4 then key_id else source_id end,
    sum(requests), sum(errors), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens),
    sum(output_tokens), sum(reasoning_tokens), sum(cost_nanos), sum(frontier_cost_nanos), sum(saved_nanos),
    sum(unpriced_requests), sum(unmeasured_requests), sum(estimated_requests), sum(classifier_requests),
    sum(classifier_input_tokens), sum(classifier_output_tokens), sum(duration_us), sum(duration_le_2),
    sum(duration_le_5), sum(duration_le_10), sum(duration_le_20), sum(duration_le_50), sum(duration_le_100),
    sum(duration_le_200), sum(duration_le_300), sum(duration_le_500), sum(duration_le_700), sum(duration_le_1000),
    sum(duration_le_1500), sum(duration_le_2000), sum(duration_le_3000), sum(duration_le_5000), sum(duration_le_7000),
    sum(duration_le_10000), sum(duration_le_15000), sum(duration_le_20000), sum(duration_le_30000),
    sum(duration_le_60000), sum(duration_le_120000), sum(duration_le_300000), sum(duration_le_inf),
    sum(first_token_le_2), sum(first_token_le_5), sum(first_token_le_10), sum(first_token_le_20),
    sum(first_token_le_50), sum(first_token_le_100), sum(first_token_le_200), sum(first_token_le_300),
    sum(first_token_le_500), sum(first_token_le_700), sum(first_token_le_1000), sum(first_token_le_1500),
    sum(first_token_le_2000), sum(first_token_le_3000), sum(first_token_le_5000), sum(first_token_le_7000),
    sum(first_token_le_10000), sum(first_token_le_15000), sum(first_token_le_20000), sum(first_token_le_30000),
    sum(first_token_le_60000), sum(first_token_le_120000), sum(first_token_le_300000), sum(first_token_le_inf)
from rollup_hour cross join (select 2 as facet union all select 3 union all select 4 union all select 5) f
where tier = -2 group by 1, 2, 3;
insert into rollup_facet_hour select facet - 100, begin_ms, value,
    -requests, -errors, -input_tokens, -cached_input_tokens, -cache_write_tokens, -output_tokens, -reasoning_tokens,
    -cost_nanos, -frontier_cost_nanos, -saved_nanos, -unpriced_requests, -unmeasured_requests, -estimated_requests,
    -classifier_requests, -classifier_input_tokens, -classifier_output_tokens, -duration_us, -duration_le_2,
    -duration_le_5, -duration_le_10, -duration_le_20, -duration_le_50, -duration_le_100, -duration_le_200,
    -duration_le_300, -duration_le_500, -duration_le_700, -duration_le_1000, -duration_le_1500, -duration_le_2000,
    -duration_le_3000, -duration_le_5000, -duration_le_7000, -duration_le_10000, -duration_le_15000,
    -duration_le_20000, -duration_le_30000, -duration_le_60000, -duration_le_120000, -duration_le_300000,
    -duration_le_inf, -first_token_le_2, -first_token_le_5, -first_token_le_10, -first_token_le_20,
    -first_token_le_50, -first_token_le_100, -first_token_le_200, -first_token_le_300, -first_token_le_500,
    -first_token_le_700, -first_token_le_1000, -first_token_le_1500, -first_token_le_2000, -first_token_le_3000,
    -first_token_le_5000, -first_token_le_7000, -first_token_le_10000, -first_token_le_15000, -first_token_le_20000,
    -first_token_le_30000, -first_token_le_60000, -first_token_le_120000, -first_token_le_300000, -first_token_le_inf
from rollup_facet_hour where facet > 100 on conflict do update set
    requests = requests + excluded.requests, errors = errors + excluded.errors, input_tokens = input_tokens +
    excluded.input_tokens, cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens +
    excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost_nanos = cost_nanos +
    excluded.cost_nanos, frontier_cost_nanos = frontier_cost_nanos + excluded.frontier_cost_nanos, saved_nanos =
    saved_nanos + excluded.saved_nanos, unpriced_requests = unpriced_requests + excluded.unpriced_requests,
    unmeasured_requests = unmeasured_requests + excluded.unmeasured_requests, estimated_requests = estimated_requests
    + excluded.estimated_requests, classifier_requests = classifier_requests + excluded.classifier_requests,
    classifier_input_tokens = classifier_input_tokens + excluded.classifier_input_tokens, classifier_output_tokens =
    classifier_output_tokens + excluded.classifier_output_tokens, duration_us = duration_us + excluded.duration_us,
    duration_le_2 = duration_le_2 + excluded.duration_le_2, duration_le_5 = duration_le_5 + excluded.duration_le_5,
    duration_le_10 = duration_le_10 + excluded.duration_le_10, duration_le_20 = duration_le_20 +
    excluded.duration_le_20, duration_le_50 = duration_le_50 + excluded.duration_le_50, duration_le_100 =
    duration_le_100 + excluded.duration_le_100, duration_le_200 = duration_le_200 + excluded.duration_le_200,
    duration_le_300 = duration_le_300 + excluded.duration_le_300, duration_le_500 = duration_le_500 +
    excluded.duration_le_500, duration_le_700 = duration_le_700 + excluded.duration_le_700, duration_le_1000 =
    duration_le_1000 + excluded.duration_le_1000, duration_le_1500 = duration_le_1500 + excluded.duration_le_1500,
    duration_le_2000 = duration_le_2000 + excluded.duration_le_2000, duration_le_3000 = duration_le_3000 +
    excluded.duration_le_3000, duration_le_5000 = duration_le_5000 + excluded.duration_le_5000, duration_le_7000 =
    duration_le_7000 + excluded.duration_le_7000, duration_le_10000 = duration_le_10000 + excluded.duration_le_10000,
    duration_le_15000 = duration_le_15000 + excluded.duration_le_15000, duration_le_20000 = duration_le_20000 +
    excluded.duration_le_20000, duration_le_30000 = duration_le_30000 + excluded.duration_le_30000, duration_le_60000
    = duration_le_60000 + excluded.duration_le_60000, duration_le_120000 = duration_le_120000 +
    excluded.duration_le_120000, duration_le_300000 = duration_le_300000 + excluded.duration_le_300000,
    duration_le_inf = duration_le_inf + excluded.duration_le_inf, first_token_le_2 = first_token_le_2 +
    excluded.first_token_le_2, first_token_le_5 = first_token_le_5 + excluded.first_token_le_5, first_token_le_10 =
    first_token_le_10 + excluded.first_token_le_10, first_token_le_20 = first_token_le_20 +
    excluded.first_token_le_20, first_token_le_50 = first_token_le_50 + excluded.first_token_le_50, first_token_le_100
    = first_token_le_100 + excluded.first_token_le_100, first_token_le_200 = first_token_le_200 +
    excluded.first_token_le_200, first_token_le_300 = first_token_le_300 + excluded.first_token_le_300,
    first_token_le_500 = first_token_le_500 + excluded.first_token_le_500, first_token_le_700 = first_token_le_700 +
    excluded.first_token_le_700, first_token_le_1000 = first_token_le_1000 + excluded.first_token_le_1000,
    first_token_le_1500 = first_token_le_1500 + excluded.first_token_le_1500, first_token_le_2000 =
    first_token_le_2000 + excluded.first_token_le_2000, first_token_le_3000 = first_token_le_3000 +
    excluded.first_token_le_3000, first_token_le_5000 = first_token_le_5000 + excluded.first_token_le_5000,
    first_token_le_7000 = first_token_le_7000 + excluded.first_token_le_7000, first_token_le_10000 =
    first_token_le_10000 + excluded.first_token_le_10000, first_token_le_15000 = first_token_le_15000 +
    excluded.first_token_le_15000, first_token_le_20000 = first_token_le_20000 + excluded.first_token_le_20000,
    first_token_le_30000 = first_token_le_30000 + excluded.first_token_le_30000, first_token_le_60000 =
    first_token_le_60000 + excluded.first_token_le_60000, first_token_le_120000 = first_token_le_120000 +
    excluded.first_token_le_120000, first_token_le_300000 = first_token_le_300000 + excluded.first_token_le_300000,
    first_token_le_inf = first_token_le_inf + excluded.first_token_le_inf;
delete from rollup_facet_hour where requests = 0;

insert into rollup_facet_day select f.facet + 100, begin_ms, case f.facet when 2 then upstream_id when 3 then model_id
    when 4 then key_id else source_id end,
    sum(requests), sum(errors), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens),
    sum(output_tokens), sum(reasoning_tokens), sum(cost_nanos), sum(frontier_cost_nanos), sum(saved_nanos),
    sum(unpriced_requests), sum(unmeasured_requests), sum(estimated_requests), sum(classifier_requests),
    sum(classifier_input_tokens), sum(classifier_output_tokens), sum(duration_us), sum(duration_le_2),
    sum(duration_le_5), sum(duration_le_10), sum(duration_le_20), sum(duration_le_50), sum(duration_le_100),
    sum(duration_le_200), sum(duration_le_300), sum(duration_le_500), sum(duration_le_700), sum(duration_le_1000),
    sum(duration_le_1500), sum(duration_le_2000), sum(duration_le_3000), sum(duration_le_5000), sum(duration_le_7000),
    sum(duration_le_10000), sum(duration_le_15000), sum(duration_le_20000), sum(duration_le_30000),
    sum(duration_le_60000), sum(duration_le_120000), sum(duration_le_300000), sum(duration_le_inf),
    sum(first_token_le_2), sum(first_token_le_5), sum(first_token_le_10), sum(first_token_le_20),
    sum(first_token_le_50), sum(first_token_le_100), sum(first_token_le_200), sum(first_token_le_300),
    sum(first_token_le_500), sum(first_token_le_700), sum(first_token_le_1000), sum(first_token_le_1500),
    sum(first_token_le_2000), sum(first_token_le_3000), sum(first_token_le_5000), sum(first_token_le_7000),
    sum(first_token_le_10000), sum(first_token_le_15000), sum(first_token_le_20000), sum(first_token_le_30000),
    sum(first_token_le_60000), sum(first_token_le_120000), sum(first_token_le_300000), sum(first_token_le_inf)
from rollup_day cross join (select 2 as facet union all select 3 union all select 4 union all select 5) f
where tier = -2 group by 1, 2, 3;
insert into rollup_facet_day select facet - 100, begin_ms, value,
    -requests, -errors, -input_tokens, -cached_input_tokens, -cache_write_tokens, -output_tokens, -reasoning_tokens,
    -cost_nanos, -frontier_cost_nanos, -saved_nanos, -unpriced_requests, -unmeasured_requests, -estimated_requests,
    -classifier_requests, -classifier_input_tokens, -classifier_output_tokens, -duration_us, -duration_le_2,
    -duration_le_5, -duration_le_10, -duration_le_20, -duration_le_50, -duration_le_100, -duration_le_200,
    -duration_le_300, -duration_le_500, -duration_le_700, -duration_le_1000, -duration_le_1500, -duration_le_2000,
    -duration_le_3000, -duration_le_5000, -duration_le_7000, -duration_le_10000, -duration_le_15000,
    -duration_le_20000, -duration_le_30000, -duration_le_60000, -duration_le_120000, -duration_le_300000,
    -duration_le_inf, -first_token_le_2, -first_token_le_5, -first_token_le_10, -first_token_le_20,
    -first_token_le_50, -first_token_le_100, -first_token_le_200, -first_token_le_300, -first_token_le_500,
    -first_token_le_700, -first_token_le_1000, -first_token_le_1500, -first_token_le_2000, -first_token_le_3000,
    -first_token_le_5000, -first_token_le_7000, -first_token_le_10000, -first_token_le_15000, -first_token_le_20000,
    -first_token_le_30000, -first_token_le_60000, -first_token_le_120000, -first_token_le_300000, -first_token_le_inf
from rollup_facet_day where facet > 100 on conflict do update set
    requests = requests + excluded.requests, errors = errors + excluded.errors, input_tokens = input_tokens +
    excluded.input_tokens, cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens, output_tokens = output_tokens +
    excluded.output_tokens, reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, cost_nanos = cost_nanos +
    excluded.cost_nanos, frontier_cost_nanos = frontier_cost_nanos + excluded.frontier_cost_nanos, saved_nanos =
    saved_nanos + excluded.saved_nanos, unpriced_requests = unpriced_requests + excluded.unpriced_requests,
    unmeasured_requests = unmeasured_requests + excluded.unmeasured_requests, estimated_requests = estimated_requests
    + excluded.estimated_requests, classifier_requests = classifier_requests + excluded.classifier_requests,
    classifier_input_tokens = classifier_input_tokens + excluded.classifier_input_tokens, classifier_output_tokens =
    classifier_output_tokens + excluded.classifier_output_tokens, duration_us = duration_us + excluded.duration_us,
    duration_le_2 = duration_le_2 + excluded.duration_le_2, duration_le_5 = duration_le_5 + excluded.duration_le_5,
    duration_le_10 = duration_le_10 + excluded.duration_le_10, duration_le_20 = duration_le_20 +
    excluded.duration_le_20, duration_le_50 = duration_le_50 + excluded.duration_le_50, duration_le_100 =
    duration_le_100 + excluded.duration_le_100, duration_le_200 = duration_le_200 + excluded.duration_le_200,
    duration_le_300 = duration_le_300 + excluded.duration_le_300, duration_le_500 = duration_le_500 +
    excluded.duration_le_500, duration_le_700 = duration_le_700 + excluded.duration_le_700, duration_le_1000 =
    duration_le_1000 + excluded.duration_le_1000, duration_le_1500 = duration_le_1500 + excluded.duration_le_1500,
    duration_le_2000 = duration_le_2000 + excluded.duration_le_2000, duration_le_3000 = duration_le_3000 +
    excluded.duration_le_3000, duration_le_5000 = duration_le_5000 + excluded.duration_le_5000, duration_le_7000 =
    duration_le_7000 + excluded.duration_le_7000, duration_le_10000 = duration_le_10000 + excluded.duration_le_10000,
    duration_le_15000 = duration_le_15000 + excluded.duration_le_15000, duration_le_20000 = duration_le_20000 +
    excluded.duration_le_20000, duration_le_30000 = duration_le_30000 + excluded.duration_le_30000, duration_le_60000
    = duration_le_60000 + excluded.duration_le_60000, duration_le_120000 = duration_le_120000 +
    excluded.duration_le_120000, duration_le_300000 = duration_le_300000 + excluded.duration_le_300000,
    duration_le_inf = duration_le_inf + excluded.duration_le_inf, first_token_le_2 = first_token_le_2 +
    excluded.first_token_le_2, first_token_le_5 = first_token_le_5 + excluded.first_token_le_5, first_token_le_10 =
    first_token_le_10 + excluded.first_token_le_10, first_token_le_20 = first_token_le_20 +
    excluded.first_token_le_20, first_token_le_50 = first_token_le_50 + excluded.first_token_le_50, first_token_le_100
    = first_token_le_100 + excluded.first_token_le_100, first_token_le_200 = first_token_le_200 +
    excluded.first_token_le_200, first_token_le_300 = first_token_le_300 + excluded.first_token_le_300,
    first_token_le_500 = first_token_le_500 + excluded.first_token_le_500, first_token_le_700 = first_token_le_700 +
    excluded.first_token_le_700, first_token_le_1000 = first_token_le_1000 + excluded.first_token_le_1000,
    first_token_le_1500 = first_token_le_1500 + excluded.first_token_le_1500, first_token_le_2000 =
    first_token_le_2000 + excluded.first_token_le_2000, first_token_le_3000 = first_token_le_3000 +
    excluded.first_token_le_3000, first_token_le_5000 = first_token_le_5000 + excluded.first_token_le_5000,
    first_token_le_7000 = first_token_le_7000 + excluded.first_token_le_7000, first_token_le_10000 =
    first_token_le_10000 + excluded.first_token_le_10000, first_token_le_15000 = first_token_le_15000 +
    excluded.first_token_le_15000, first_token_le_20000 = first_token_le_20000 + excluded.first_token_le_20000,
    first_token_le_30000 = first_token_le_30000 + excluded.first_token_le_30000, first_token_le_60000 =
    first_token_le_60000 + excluded.first_token_le_60000, first_token_le_120000 = first_token_le_120000 +
    excluded.first_token_le_120000, first_token_le_300000 = first_token_le_300000 + excluded.first_token_le_300000,
    first_token_le_inf = first_token_le_inf + excluded.first_token_le_inf;
delete from rollup_facet_day where requests = 0;
