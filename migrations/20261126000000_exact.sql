-- Rows by their number in order of arrival, with their attempts; sessions; what was under way; marks that find rows
-- without an index on every column; and sums by minute, hour, day and for ever, with histograms of the times.

-- Small facts about the file.
create table meta (
    key   text primary key,
    value any  not null
) strict, without rowid;

-- Conversations, as far as their next turn needs to know them.
create table sessions (
    id          integer primary key,
    session     text    not null unique,
    first_ms    integer not null, -- UTC epoch, the arrival of its first request and of its last
    last_ms     integer not null,
    requests    integer not null,
    tier        integer,          -- 0, 1, 2; of its last answer
    upstream_id integer references names (id)
) strict;
create index sessions_by_last on sessions (last_ms);

insert into sessions (session, first_ms, last_ms, requests, tier, upstream_id)
select session, min(created_at_ms), max(created_at_ms), count(*), null, null
from requests where session is not null group by session;

-- Requests that were decided and have not ended, as JSON. Those that are still here when the file is opened were cut
-- off by the end of the process.
create table in_flight (
    id  integer primary key,
    row text    not null
) strict;

alter table requests rename to requests_before;
drop index requests_by_time;

-- One row per request for which a decision was taken. Ids ascend with time of arrival.
-- NULL is unknown; it is never the same as 0.
create table requests (
    id                       integer primary key,
    created_at_ms            integer not null, -- UTC epoch, when the request arrived
    request_id               text    not null,
    client_request_id        integer not null, -- 1: the client's own id, which does not tell the time; it is indexed
    session_id               integer references sessions (id),
    key_id                   integer references names (id),
    -- the decision
    decision                 integer not null, -- 0, 1, 2
    source_id                integer not null references names (id),
    score                    real,
    confidence               real,
    reason                   text,
    -- who answered
    tier                     integer,          -- 0, 1, 2; of the last attempt
    upstream_id              integer references names (id),
    provider_id              integer references names (id),
    requested_model_id       integer references names (id),
    selected_model_id        integer references names (id),
    response_model_id        integer references names (id),
    local                    integer not null, -- 0, 1
    stream                   integer not null, -- 0, 1
    status                   integer,          -- the HTTP status that the client got; 499 if it left
    error_type_id            integer references names (id),
    attempts                 integer not null,
    -- tokens, inclusive: input has cached and cache_write in it, output has reasoning in it
    input_tokens             integer,
    cached_input_tokens      integer,
    cache_write_tokens       integer,
    output_tokens            integer,
    reasoning_tokens         integer,
    usage_source             integer not null, -- 0 absent, 1 reported, 2 estimated
    -- money, in nano-dollars
    cost_nanos               integer,
    frontier_cost_nanos      integer,
    -- the classifier's own tokens, never mixed into the tier's
    asked_classifier         integer not null, -- 0, 1: whether the classifier's model was asked
    classifier_input_tokens  integer,
    classifier_output_tokens integer,
    -- times, in microseconds
    classify_us              integer,
    first_token_us           integer,
    duration_us              integer,
    -- the provider's own usage object, as it wrote it
    usage_raw                text
) strict;

insert into requests
select id, created_at_ms, request_id, 1, (select s.id from sessions s where s.session = b.session), key_id,
    decision, source_id, score, confidence, reason, tier, upstream_id, provider_id, requested_model_id,
    selected_model_id, response_model_id, local, stream, status, error_type_id, attempts, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, cost_nanos,
    frontier_cost_nanos, asked_classifier, classifier_input_tokens, classifier_output_tokens, classify_us,
    first_token_us, duration_us, usage_raw
from requests_before b order by id;
drop table requests_before;

create index requests_by_client_id on requests (request_id) where client_request_id = 1;

-- The upstream calls of the requests that needed more than one, or whose only one failed. The only call of any other
-- is told by its own row.
create table attempts (
    request     integer not null references requests (id),
    attempt     integer not null, -- from 1
    tier        integer not null,
    upstream_id integer not null references names (id),
    model_id    integer not null references names (id),
    status      integer,          -- the HTTP status that the upstream answered with
    error_type_id integer references names (id),
    started_us  integer not null, -- microseconds since the request's arrival
    duration_us integer,
    primary key (request, attempt)
) strict, without rowid;

-- A zone is 256 numbers of rows that follow each other: zone = id >> 8.
create table zones (
    zone            integer primary key,
    first_ms        integer not null, -- the earliest arrival in it, and the latest
    last_ms         integer not null,
    max_tokens      integer not null, -- the largest total, cost and duration in it; 0 where none is known
    max_cost_nanos  integer not null,
    max_duration_us integer not null
) strict;
create index zones_by_first on zones (first_ms);
create index zones_by_last on zones (last_ms, first_ms);

-- Which zones have a row with which value. It finds the rare ones among millions at a hundredth of the price of an index
-- on every column.
create table marks (
    facet integer not null, -- 1 tier, 2 upstream, 3 model, 4 key, 5 source, 6 status, 7 error type, 8 session,
                            -- 9 status class; 10 tokens, 11 cost, 12 duration: value n means 2^n and more
    value integer not null,
    zone  integer not null,
    primary key (facet, value, zone)
) strict, without rowid;
create index marks_by_zone on marks (zone);

insert into zones
select id >> 8, min(created_at_ms), max(created_at_ms), max(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)),
    max(coalesce(cost_nanos, 0)), max(coalesce(duration_us, 0))
from requests group by 1;
insert into marks select distinct 1, coalesce(tier, -1), id >> 8 from requests;
insert into marks select distinct 2, coalesce(upstream_id, 0), id >> 8 from requests;
insert into marks select distinct 3, coalesce(selected_model_id, 0), id >> 8 from requests;
insert into marks select distinct 4, coalesce(key_id, 0), id >> 8 from requests;
insert into marks select distinct 5, source_id, id >> 8 from requests;
insert into marks select distinct 6, coalesce(status, 0), id >> 8 from requests;
insert into marks select distinct 7, coalesce(error_type_id, 0), id >> 8 from requests;
insert into marks select distinct 8, session_id, id >> 8 from requests where session_id is not null;
insert into marks select distinct 9, coalesce(status, 0) / 100, id >> 8 from requests;
with recursive powers (n) as (select 8 union all select n + 1 from powers where n < 62)
insert into marks select 10, n, zone from powers join zones on max_tokens >= 1 << n;
with recursive powers (n) as (select 16 union all select n + 1 from powers where n < 62)
insert into marks select 11, n, zone from powers join zones on max_cost_nanos >= 1 << n;
with recursive powers (n) as (select 16 union all select n + 1 from powers where n < 62)
insert into marks select 12, n, zone from powers join zones on max_duration_us >= 1 << n;

drop table rollup_hour;

-- What the rows of a minute add up to, by what can be grouped. Written in the rows' own transaction.
create table rollup_minute (
    begin_ms integer not null, -- UTC epoch of the minute's begin
    tier integer not null, -- -1 where no upstream was reached
    upstream_id integer not null, -- 0 where there is none; so for the other ids
    model_id integer not null,
    key_id integer not null,
    source_id integer not null,
    local integer not null,
    status_class integer not null, -- 2, 4, 5; 0 where it is unknown
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (begin_ms, tier, upstream_id, model_id, key_id, source_id, local, status_class)
) strict, without rowid;

-- The same by hour.
create table rollup_hour (
    begin_ms integer not null, -- UTC epoch of the hour's begin
    tier integer not null, -- -1 where no upstream was reached
    upstream_id integer not null, -- 0 where there is none; so for the other ids
    model_id integer not null,
    key_id integer not null,
    source_id integer not null,
    local integer not null,
    status_class integer not null, -- 2, 4, 5; 0 where it is unknown
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (begin_ms, tier, upstream_id, model_id, key_id, source_id, local, status_class)
) strict, without rowid;

-- The same by day.
create table rollup_day (
    begin_ms integer not null, -- UTC epoch of the day's begin
    tier integer not null, -- -1 where no upstream was reached
    upstream_id integer not null, -- 0 where there is none; so for the other ids
    model_id integer not null,
    key_id integer not null,
    source_id integer not null,
    local integer not null,
    status_class integer not null, -- 2, 4, 5; 0 where it is unknown
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (begin_ms, tier, upstream_id, model_id, key_id, source_id, local, status_class)
) strict, without rowid;

-- The same for ever.
create table rollup_total (
    tier integer not null, -- -1 where no upstream was reached
    upstream_id integer not null, -- 0 where there is none; so for the other ids
    model_id integer not null,
    key_id integer not null,
    source_id integer not null,
    local integer not null,
    status_class integer not null, -- 2, 4, 5; 0 where it is unknown
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (tier, upstream_id, model_id, key_id, source_id, local, status_class)
) strict, without rowid;

-- The hours by tier alone: long stretches of them are read for charts.
create table rollup_tier_hour (
    begin_ms integer not null, -- UTC epoch of the hour's begin
    tier integer not null, -- -1 where no upstream was reached
    local integer not null,
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (begin_ms, tier, local)
) strict, without rowid;

-- The days by tier alone.
create table rollup_tier_day (
    begin_ms integer not null, -- UTC epoch of the day's begin
    tier integer not null, -- -1 where no upstream was reached
    local integer not null,
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (begin_ms, tier, local)
) strict, without rowid;

-- The hours by one of the other columns alone: what is asked for most often.
create table rollup_facet_hour (
    facet integer not null, -- as in marks: 2 upstream, 3 model, 4 key, 5 source
    begin_ms integer not null, -- UTC epoch of the hour's begin
    value integer not null, -- the number of a name; 0 where there is none
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (facet, begin_ms, value)
) strict, without rowid;

-- The days by one of the other columns alone.
create table rollup_facet_day (
    facet integer not null, -- as in marks: 2 upstream, 3 model, 4 key, 5 source
    begin_ms integer not null, -- UTC epoch of the day's begin
    value integer not null, -- the number of a name; 0 where there is none
    requests integer not null,
    errors integer not null,
    input_tokens integer not null,
    cached_input_tokens integer not null,
    cache_write_tokens integer not null,
    output_tokens integer not null,
    reasoning_tokens integer not null,
    cost_nanos integer not null,
    frontier_cost_nanos integer not null,
    saved_nanos integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests integer not null,
    unmeasured_requests integer not null, -- requests without tokens
    estimated_requests integer not null, -- requests whose tokens were counted here
    classifier_requests integer not null,
    classifier_input_tokens integer not null,
    classifier_output_tokens integer not null,
    duration_us integer not null, -- the sum
    -- requests by what they took: up to so many milliseconds, and more than the column before
    duration_le_2 integer not null, duration_le_5 integer not null, duration_le_10 integer not null,
    duration_le_20 integer not null, duration_le_50 integer not null, duration_le_100 integer not null,
    duration_le_200 integer not null, duration_le_300 integer not null, duration_le_500 integer not null,
    duration_le_700 integer not null, duration_le_1000 integer not null, duration_le_1500 integer not null,
    duration_le_2000 integer not null, duration_le_3000 integer not null, duration_le_5000 integer not null,
    duration_le_7000 integer not null, duration_le_10000 integer not null, duration_le_15000 integer not null,
    duration_le_20000 integer not null, duration_le_30000 integer not null, duration_le_60000 integer not null,
    duration_le_120000 integer not null, duration_le_300000 integer not null, duration_le_inf integer not null,
    -- requests by their time to the first token: up to so many milliseconds, and more than the column before
    first_token_le_2 integer not null, first_token_le_5 integer not null, first_token_le_10 integer not null,
    first_token_le_20 integer not null, first_token_le_50 integer not null, first_token_le_100 integer not null,
    first_token_le_200 integer not null, first_token_le_300 integer not null, first_token_le_500 integer not null,
    first_token_le_700 integer not null, first_token_le_1000 integer not null, first_token_le_1500 integer not null,
    first_token_le_2000 integer not null, first_token_le_3000 integer not null, first_token_le_5000 integer not null,
    first_token_le_7000 integer not null, first_token_le_10000 integer not null,
    first_token_le_15000 integer not null, first_token_le_20000 integer not null,
    first_token_le_30000 integer not null, first_token_le_60000 integer not null,
    first_token_le_120000 integer not null, first_token_le_300000 integer not null,
    first_token_le_inf integer not null,
    primary key (facet, begin_ms, value)
) strict, without rowid;

insert into rollup_minute select
    created_at_ms / 60000 * 60000, coalesce(tier, -1), coalesce(upstream_id, 0), coalesce(selected_model_id, 0),
    coalesce(key_id, 0), source_id, local, status / 100, count(*), sum(status >= 400 or error_type_id is not null),
    coalesce(sum(input_tokens), 0), coalesce(sum(cached_input_tokens), 0), coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_nanos), 0),
    coalesce(sum(frontier_cost_nanos), 0), coalesce(sum(frontier_cost_nanos - cost_nanos), 0),
    sum(cost_nanos is null), sum(input_tokens is null and output_tokens is null), sum(usage_source = 2),
    sum(asked_classifier), coalesce(sum(classifier_input_tokens), 0), coalesce(sum(classifier_output_tokens), 0),
    sum(duration_us), coalesce(sum(duration_us <= 2000), 0),
    coalesce(sum(duration_us > 2000 and duration_us <= 5000), 0),
    coalesce(sum(duration_us > 5000 and duration_us <= 10000), 0),
    coalesce(sum(duration_us > 10000 and duration_us <= 20000), 0),
    coalesce(sum(duration_us > 20000 and duration_us <= 50000), 0),
    coalesce(sum(duration_us > 50000 and duration_us <= 100000), 0),
    coalesce(sum(duration_us > 100000 and duration_us <= 200000), 0),
    coalesce(sum(duration_us > 200000 and duration_us <= 300000), 0),
    coalesce(sum(duration_us > 300000 and duration_us <= 500000), 0),
    coalesce(sum(duration_us > 500000 and duration_us <= 700000), 0),
    coalesce(sum(duration_us > 700000 and duration_us <= 1000000), 0),
    coalesce(sum(duration_us > 1000000 and duration_us <= 1500000), 0),
    coalesce(sum(duration_us > 1500000 and duration_us <= 2000000), 0),
    coalesce(sum(duration_us > 2000000 and duration_us <= 3000000), 0),
    coalesce(sum(duration_us > 3000000 and duration_us <= 5000000), 0),
    coalesce(sum(duration_us > 5000000 and duration_us <= 7000000), 0),
    coalesce(sum(duration_us > 7000000 and duration_us <= 10000000), 0),
    coalesce(sum(duration_us > 10000000 and duration_us <= 15000000), 0),
    coalesce(sum(duration_us > 15000000 and duration_us <= 20000000), 0),
    coalesce(sum(duration_us > 20000000 and duration_us <= 30000000), 0),
    coalesce(sum(duration_us > 30000000 and duration_us <= 60000000), 0),
    coalesce(sum(duration_us > 60000000 and duration_us <= 120000000), 0),
    coalesce(sum(duration_us > 120000000 and duration_us <= 300000000), 0), coalesce(sum(duration_us > 300000000), 0),
    coalesce(sum(first_token_us <= 2000), 0), coalesce(sum(first_token_us > 2000 and first_token_us <= 5000), 0),
    coalesce(sum(first_token_us > 5000 and first_token_us <= 10000), 0),
    coalesce(sum(first_token_us > 10000 and first_token_us <= 20000), 0),
    coalesce(sum(first_token_us > 20000 and first_token_us <= 50000), 0),
    coalesce(sum(first_token_us > 50000 and first_token_us <= 100000), 0),
    coalesce(sum(first_token_us > 100000 and first_token_us <= 200000), 0),
    coalesce(sum(first_token_us > 200000 and first_token_us <= 300000), 0),
    coalesce(sum(first_token_us > 300000 and first_token_us <= 500000), 0),
    coalesce(sum(first_token_us > 500000 and first_token_us <= 700000), 0),
    coalesce(sum(first_token_us > 700000 and first_token_us <= 1000000), 0),
    coalesce(sum(first_token_us > 1000000 and first_token_us <= 1500000), 0),
    coalesce(sum(first_token_us > 1500000 and first_token_us <= 2000000), 0),
    coalesce(sum(first_token_us > 2000000 and first_token_us <= 3000000), 0),
    coalesce(sum(first_token_us > 3000000 and first_token_us <= 5000000), 0),
    coalesce(sum(first_token_us > 5000000 and first_token_us <= 7000000), 0),
    coalesce(sum(first_token_us > 7000000 and first_token_us <= 10000000), 0),
    coalesce(sum(first_token_us > 10000000 and first_token_us <= 15000000), 0),
    coalesce(sum(first_token_us > 15000000 and first_token_us <= 20000000), 0),
    coalesce(sum(first_token_us > 20000000 and first_token_us <= 30000000), 0),
    coalesce(sum(first_token_us > 30000000 and first_token_us <= 60000000), 0),
    coalesce(sum(first_token_us > 60000000 and first_token_us <= 120000000), 0),
    coalesce(sum(first_token_us > 120000000 and first_token_us <= 300000000), 0),
    coalesce(sum(first_token_us > 300000000), 0)
from requests group by 1, 2, 3, 4, 5, 6, 7, 8;

insert into rollup_hour select begin_ms / 3600000 * 3600000, tier, upstream_id, model_id, key_id, source_id, local, status_class,
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
from rollup_minute group by 1, 2, 3, 4, 5, 6, 7, 8;

insert into rollup_day select begin_ms / 86400000 * 86400000, tier, upstream_id, model_id, key_id, source_id, local, status_class,
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
from rollup_hour group by 1, 2, 3, 4, 5, 6, 7, 8;

insert into rollup_total select tier, upstream_id, model_id, key_id, source_id, local, status_class,
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
from rollup_day group by 1, 2, 3, 4, 5, 6, 7;

insert into rollup_tier_hour select begin_ms, tier, local,
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
from rollup_hour group by 1, 2, 3;

insert into rollup_tier_day select begin_ms, tier, local,
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
from rollup_day group by 1, 2, 3;

insert into rollup_facet_hour select 2, begin_ms, upstream_id,
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
from rollup_hour group by 2, 3;

insert into rollup_facet_hour select 3, begin_ms, model_id,
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
from rollup_hour group by 2, 3;

insert into rollup_facet_hour select 4, begin_ms, key_id,
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
from rollup_hour group by 2, 3;

insert into rollup_facet_hour select 5, begin_ms, source_id,
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
from rollup_hour group by 2, 3;

insert into rollup_facet_day select 2, begin_ms, upstream_id,
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
from rollup_day group by 2, 3;

insert into rollup_facet_day select 3, begin_ms, model_id,
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
from rollup_day group by 2, 3;

insert into rollup_facet_day select 4, begin_ms, key_id,
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
from rollup_day group by 2, 3;

insert into rollup_facet_day select 5, begin_ms, source_id,
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
from rollup_day group by 2, 3;
