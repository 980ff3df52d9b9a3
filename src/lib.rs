//! xrouter: one binary between people's agents and their LLM providers.
//!
//! It decides how strong a model each request needs, sends it to the cheapest tier that can do it,
//! streams the answer back, and keeps an exact history. The rooms, top down; imports point down only:
//!
//! - doors: [`cli`] (commands), [`api`] (HTTP), [`dashboard`] (pages); [`app`] puts everything together
//! - the path: [`gateway`] knows the order of steps of one request; beside it [`training`] makes and judges its classifier
//! - rooms: [`routing`], [`providers`], [`cache`], [`store`], [`hardware`], [`simulator`]
//! - words and ground: [`protocol`], [`catalog`], [`config`], [`telemetry`], [`server`]
//!
//! `docs/architecture.md` walks one request through them.

pub mod api;
pub mod app;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod gateway;
pub mod hardware;
pub mod protocol;
pub mod providers;
pub mod routing;
pub mod server;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod training;
