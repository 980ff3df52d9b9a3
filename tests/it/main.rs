//! The integration tests: the real app over real sockets, one module per user-visible matter.

#![expect(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::type_complexity,
    clippy::format_collect,
    clippy::cast_precision_loss,
    reason = "a test says what it wants, and fails where it does not get it"
)]

mod agreement;
mod arrows;
mod chat;
mod classifier;
mod cli;
mod clients;
mod config;
mod crash;
mod dashboard;
mod decision;
mod decisions;
mod dialects;
mod docs;
mod doctor;
mod embeddings;
mod fallback;
mod fuzz;
mod golden;
mod guards;
mod hardware;
mod harness;
mod history;
mod judge;
mod learning;
mod migrations;
mod openapi;
mod redis_cache;
mod response_cache;
mod session;
mod shutdown;
mod simulated;
mod streaming;
mod support;
mod telemetry;
mod usage;
mod wizard;
