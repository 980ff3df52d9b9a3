# List the recipes
default:
    @just --list

# Serve with ./xrouter.toml
run *ARGS:
    cargo run --release --locked -- run {{ARGS}}

# Show the router at work with simulated upstreams
demo *ARGS:
    cargo run --release --locked -- demo {{ARGS}}

# Write a configuration
init *ARGS:
    cargo run --release --locked -- init {{ARGS}}

# Everything that CI runs
check:
    scripts/test

# Train the embedded classifier on a folder of labelled prompts (docs/classifier.md), byte for byte
train FOLDER *ARGS:
    cargo run --release --locked -- train {{FOLDER}} --with training/prompts --wrappers training/wrappers.jsonl --out config/classifier.bin {{ARGS}}

# Rust tests only
test *ARGS:
    cargo test --locked {{ARGS}}

# Broken requests, answers, streams and errors through every dialect, each property for so many seconds
fuzz SECONDS="60":
    XROUTER_FUZZ_SECONDS={{SECONDS}} cargo test --locked --release --test it fuzz

# Real clients: the OpenAI package for Python, LangChain, LiteLLM, and a browser
clients:
    scripts/test-clients

# Licences, bans and sources offline; advisories where the database can be reached
audit:
    cargo fetch --locked
    cargo deny --locked --offline check licenses bans sources
    cargo deny --locked check advisories || echo "advisories: the database could not be reached, or there are findings above"

# Review changed snapshots
snap:
    cargo insta review

# Print the OpenAPI document
openapi:
    @sed '1,/^---$/d; 1,/^---$/d' tests/it/snapshots/it__openapi__openapi.snap

# Write xrouter.toml.example anew from the configuration's types
example:
    cargo run --locked --quiet -- config example > xrouter.toml.example

# A router with simulated upstreams that only serves
stub PORT="3000":
    cargo run --locked -- demo --port {{PORT}} --requests 0

# How long a decision takes, how fast tokens are estimated, and whether memory grows; prompts of a JSONL file
speed *FILE:
    cargo run --release --locked --example speed -- {{FILE}}

# Throughput, processor time, latency and memory beside nginx and the upstream itself, in one run; PARTS as in scripts/bench
bench SECONDS="5" *PARTS:
    cargo build --release --locked --bin xrouter --example load
    scripts/bench {{SECONDS}} {{PARTS}}

# Instructions of a plain request by thread, under callgrind: figures that noise does not move
count REQUESTS="2000":
    cargo build --release --locked
    scripts/count {{REQUESTS}}

# Every query of the history with ROWS rows and with FEW, and the CSV export
bench-store ROWS="10000000" FEW="100000":
    cargo build --release --locked
    scripts/bench-store {{ROWS}} {{FEW}}

# Requests while a million old rows are removed and a reader scans everything, against a quiet history
bench-care SECONDS="30":
    cargo build --release --locked
    scripts/bench-care {{SECONDS}}
