//! The integration tests: the real app over real sockets, one module per user-visible matter.

mod arrows;
mod chat;
mod classifier;
mod cli;
mod clients;
mod config;
mod crash;
mod dashboard;
mod decision;
mod fallback;
mod openapi;
mod redis_cache;
mod streaming;
mod support;
mod usage;
