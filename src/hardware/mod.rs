//! What this machine has, and what suits it.
//!
//! Enters: what the system and the drivers tell. Leaves: a [`Snapshot`], which can be recorded, and [`Advice`], which is a
//! function of that alone. A reading that is not to be had is `None`, an empty list or a note, never an error. Read
//! `snapshot.rs`, then `advice.rs`.

mod advice;
mod models;
mod read;
mod snapshot;

pub use advice::{Advice, Engine, Fit, Speed, Step, advise, gib};
pub use models::LocalModel;
pub use read::free_space;
pub use snapshot::{Cpu, Disk, Gpu, Kind, Memory, Snapshot, Vendor};
