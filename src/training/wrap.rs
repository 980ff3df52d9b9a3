//! Copies of graded prompts in what tools and politeness put around them, so that a wrapper tells nothing of a tier.

use std::path::Path;

use serde::Deserialize;

use super::rows::{Kind, Row, RowsError, lines};

/// What stands for the request in a template.
const REQUEST: &str = "{request}";
/// Characters of the longest prompt that is wrapped: of longer ones, a wrapper is a small part.
const LONGEST: usize = 1_500;
/// Copies of each.
const COPIES: u64 = 2;

#[derive(Debug, Deserialize)]
struct Wrapper {
    lang: String,
    template: String,
}

/// Two wrapped copies of each prompt whose tier people gave, in wrappers of its language or, one in five times, in an
/// English one. Which is drawn by the prompt's number, so that the same files make the same copies.
///
/// # Errors
/// The file cannot be read, or a line is no wrapper.
pub fn wrapped(rows: &[Row], file: &Path) -> Result<Vec<Row>, RowsError> {
    let wrappers: Vec<Wrapper> = lines(file, |text| match serde_json::from_str(text) {
        Ok(Wrapper { template, .. }) if template.matches(REQUEST).count() != 1 => {
            Err(format!("its template does not have {REQUEST} once"))
        }
        read => read.map_err(|error| error.to_string()),
    })?;
    let of = |lang: &str| wrappers.iter().filter(|wrapper| wrapper.lang == lang).collect::<Vec<_>>();
    let english = of("en");
    let mut copies = Vec::new();
    for (at, row) in (0_u64..).zip(rows) {
        let Some(text) = row.words().filter(|text| text.chars().count() <= LONGEST) else { continue };
        if row.tier.is_none() || !matches!(row.kind(), Kind::Constructed | Kind::Graded) {
            continue;
        }
        let own = of(&row.lang);
        for copy in 1..=COPIES {
            let draw = (at * COPIES + copy).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let pool = if own.is_empty() || draw.is_multiple_of(5) { &english } else { &own };
            let Some(wrapper) = usize::try_from(draw / 5).ok().and_then(|draw| pool.get(draw % pool.len().max(1)))
            else {
                continue;
            };
            copies.push(Row::wrapped(row, wrapper.template.replace(REQUEST, &text)));
        }
    }
    Ok(copies)
}
