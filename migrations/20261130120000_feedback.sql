-- What people report of decisions. A row has all that thresholds are learnt from, so that it outlives its request.
create table feedback (
    request_id    text    primary key, -- the last report counts
    created_at_ms integer not null,    -- when it was reported
    verdict       integer not null,    -- 0, 1, 2: the right tier was this; -1: a weaker one would do; 3: a stronger one was needed
    decided       integer not null,    -- 0, 1, 2
    score         real                 -- the classifier's; NULL where none was asked
) strict;
