//! How the embedded classifier is trained, and how well any classifier routes.
//!
//! Enters: labelled prompts ([`Row`]), which `docs/classifier.md` describes. Leaves: a model file, or a
//! [`Report`] of figures. Deterministic: the same rows make the same bytes. Knows nothing of HTTP or the
//! history. Read `rows.rs`, then `fit.rs`.

mod adapt;
mod calibrate;
mod confidence;
mod fit;
mod graded;
mod measure;
mod owner;
mod rows;
mod solve;
mod study;
mod wrap;

pub use adapt::{Adapted, Captured, adapt};
pub use confidence::{Asked, Believed, Confidence, Unsure};
pub use fit::{Example, Recipe, Worth, fit, fit_reference};
pub use graded::{Graded, graded};
pub use measure::{Behaviour, Judged, Quality, Report, SourceFigures, Tiers, area, report};
pub use owner::{FEWEST, Label, Learnt, learn};
pub use rows::{Kind, Row, RowsError, read};
pub use study::{Baseline, Fit, cross_validate, judge, left_out};
pub use wrap::wrapped;
