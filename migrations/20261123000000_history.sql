-- The history: one row per request, the hour rollups beside it, and the repeated texts once.

-- Texts that repeat in every row (upstream, model, key, …): a row holds their number.
create table names (
    id   integer primary key,
    name text not null unique
) strict;

-- One row per request for which a decision was taken. Ids ascend with time of completion.
-- NULL is unknown; it is never the same as 0.
create table requests (
    id                       integer primary key,
    request_id               text    not null,
    created_at_ms            integer not null, -- UTC epoch, when the request arrived
    session                  text,
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
    status                   integer not null, -- the HTTP status that the client got; 499 if it left
    error_type_id            integer references names (id),
    attempts                 integer not null,
    -- tokens, inclusive: input has cached and cache_write in it, output has reasoning in it
    input_tokens             integer,
    cached_input_tokens      integer,
    cache_write_tokens       integer,
    output_tokens            integer,
    reasoning_tokens         integer,
    usage_source             integer not null, -- 0 absent, 1 reported
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
    duration_us              integer not null
) strict;

create index requests_by_time on requests (created_at_ms);

-- What the rows of an hour add up to, by what can be grouped. Written in the rows' own transaction.
create table rollup_hour (
    hour_ms                  integer not null, -- UTC epoch of the hour's begin
    tier                     integer not null, -- -1 where no upstream was reached
    upstream_id              integer not null, -- 0 where there is none; so for the other ids
    model_id                 integer not null,
    key_id                   integer not null,
    source_id                integer not null,
    local                    integer not null,
    status_class             integer not null, -- 2, 4, 5
    requests                 integer not null,
    errors                   integer not null,
    input_tokens             integer not null,
    cached_input_tokens      integer not null,
    cache_write_tokens       integer not null,
    output_tokens            integer not null,
    reasoning_tokens         integer not null,
    cost_nanos               integer not null,
    frontier_cost_nanos      integer not null,
    saved_nanos              integer not null, -- frontier_cost - cost, of the requests that have both
    unpriced_requests        integer not null,
    unmeasured_requests      integer not null, -- requests of which nobody reported tokens
    classifier_requests      integer not null,
    classifier_input_tokens  integer not null,
    classifier_output_tokens integer not null,
    duration_us              integer not null,
    primary key (hour_ms, tier, upstream_id, model_id, key_id, source_id, local, status_class)
) strict, without rowid;
