//! What one relative of OpenAI's dialect does otherwise, as data: one [`Quirks`] for each, in a file of its own.
//!
//! `request.rs`, `messages.rs` and `answer.rs` read it and know no provider by name. A member says what is special
//! about a provider; `PLAIN` is what OpenAI's API does.

use super::super::drops::{Drops, EncodeError};
use super::super::error_body::Meant;
use super::super::listing::Listing;
use super::super::{Context, Source};
use super::{azure, compatible, groq, mistral, ollama, openai, openrouter, perplexity, together, xrouter};
use crate::catalog::Provider;
use crate::protocol::{Members, UsageChunk};

/// Everything in which a provider departs from OpenAI's chat completions.
#[derive(Debug)]
pub(in super::super) struct Quirks {
    /// The pages that the rest follows.
    pub(in super::super) source: &'static [Source],
    /// Where it is called, and with what key.
    pub(in super::super) call: Call,
    /// The fields of a request.
    pub(super) fields: Fields,
    /// The messages of a request: who may speak, and when.
    pub(super) roles: Roles,
    /// The form of `stop`.
    pub(super) stop: Stop,
    /// How its answers come.
    pub(super) answers: Answers,
    /// Its own words for why an answer ended, and OpenAI's. Only read where answers are put right.
    pub(super) finish: &'static [(&'static str, &'static str)],
    /// How it reports tokens.
    pub(super) usage: Usage,
    /// What its errors look like and mean.
    pub(in super::super) errors: Errors,
    /// Where a probe finds its models.
    pub(in super::super) probe: Listing,
}

/// What is special about a provider.
pub(in super::super) const fn quirks(provider: Provider) -> &'static Quirks {
    match provider {
        Provider::Openai => &openai::QUIRKS,
        Provider::AzureOpenai => &azure::QUIRKS,
        Provider::Mistral => &mistral::QUIRKS,
        Provider::Groq => &groq::QUIRKS,
        Provider::Together => &together::QUIRKS,
        Provider::Perplexity => &perplexity::QUIRKS,
        Provider::Openrouter => &openrouter::QUIRKS,
        Provider::Ollama => &ollama::QUIRKS,
        Provider::Xrouter => &xrouter::QUIRKS,
        // The last three speak dialects of their own, and are never asked in this one.
        Provider::OpenaiCompatible | Provider::Anthropic | Provider::Gemini | Provider::Cohere => &compatible::QUIRKS,
    }
}

/// Where a provider is called, and with what key.
#[derive(Debug)]
pub(in super::super) struct Call {
    /// The address below the root.
    pub(in super::super) at: CallAt,
    /// Where the key stands.
    pub(in super::super) key: Key,
}

impl Call {
    /// `{root}/chat/completions`, and a bearer key.
    pub(super) const PLAIN: Call = Call { at: CallAt::ChatCompletions, key: Key::Bearer };
}

/// Where a chat is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum CallAt {
    /// `/chat/completions`; the model stands in the body.
    ChatCompletions,
    /// The path of a deployment, which stands in the body for the model too, with the version of the API.
    Deployment,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Key {
    /// `Authorization: Bearer`.
    Bearer,
    /// A header of its own, but for tokens that begin so, which are bearers.
    Header {
        /// The header.
        name: &'static str,
        /// How a bearer token begins.
        bearer: &'static str,
    },
}

/// The fields of a request, messages apart. They are edited in the order in which they stand here.
#[derive(Debug)]
pub(super) struct Fields {
    /// Which requests need no edit at all.
    pub(super) passes: Passes,
    /// Whether it knows `tool_choice.allowed_tools`; else tools that are not allowed are not shown to it.
    pub(super) allowed_tools: bool,
    /// OpenAI's names, and its own for the same. Where both stand, OpenAI's counts.
    pub(super) renames: &'static [(&'static str, &'static str)],
    /// Values that it has another word for.
    pub(super) words: &'static [Word],
    /// What takes more than a list; whether anything changed.
    pub(super) edit: fn(&mut Members<'_>, &Context<'_>, &mut Drops) -> Result<bool, EncodeError>,
    /// The fields that it takes. Others are left out silently where they ask for nothing, else refused or told.
    pub(super) takes: Takes,
    /// Whether a mark of a prompt cache (`cache_control`) may stand in messages and tools.
    pub(super) cache_marks: bool,
}

impl Fields {
    /// Every field passes as it is.
    pub(super) const PLAIN: Fields = Fields {
        passes: Passes::Never,
        allowed_tools: true,
        renames: &[],
        words: &[],
        edit: |_, _, _| Ok(false),
        takes: Takes::All,
        cache_marks: true,
    };
}

/// Which requests need no edit, told by a look at their bytes: most requests are read once and not again.
#[derive(Debug)]
pub(super) enum Passes {
    /// None: each is read.
    Never,
    /// Those in which none of these bytes stand.
    Without(&'static [&'static [u8]]),
    /// The same, for models of which this is true; requests to other models are read.
    WithoutFor(fn(&str) -> bool, &'static [&'static [u8]]),
}

/// Which fields a provider takes.
#[derive(Debug)]
pub(super) enum Takes {
    /// Any.
    All,
    /// These, and those whose names begin with one of the prefixes.
    Only {
        /// Names.
        names: &'static [&'static str],
        /// Beginnings of names.
        prefixes: &'static [&'static str],
    },
    /// Any but these.
    AllBut(&'static [&'static str]),
    /// Any, but these not before a dated version of its API. Where the address names no version, any.
    Since(&'static [(&'static str, &'static str)]),
}

/// A value of a field that a provider has another word for.
#[derive(Debug)]
pub(super) struct Word {
    /// The field.
    pub(super) field: &'static str,
    /// OpenAI's word.
    pub(super) openai: &'static str,
    /// Its own; none where it has none: the field is left out, and told.
    pub(super) own: Option<&'static str>,
}

impl Word {
    pub(super) const fn new(field: &'static str, openai: &'static str, own: Option<&'static str>) -> Self {
        Word { field, openai, own }
    }
}

/// The messages of a request. They are edited in the order in which they stand here.
#[derive(Debug)]
pub(super) struct Roles {
    /// Which messages are read at all.
    pub(super) read: Read,
    /// Members of a message that are taken out without a word: it would refuse or misunderstand them.
    pub(super) removes: &'static [&'static str],
    /// Whether a message may have a `name`; else it is left out, and told.
    pub(super) name: bool,
    /// Whether a call may have arguments that are an empty text; else they become `{}`.
    pub(super) empty_arguments: bool,
    /// Whether it knows the role `developer`.
    pub(super) developer: Developer,
    /// Puts a message behind those that are written already.
    pub(super) place: Place,
}

impl Roles {
    /// Messages pass as they are, without what another provider signed.
    pub(super) const PLAIN: Roles = Roles {
        read: Read::Traces,
        removes: &["reasoning_details", "provider_fields"],
        name: true,
        empty_arguments: true,
        developer: Developer::Known,
        place: |message, _, written, _| {
            written.push(message);
            Ok(())
        },
    };
}

/// Puts a message, the request's so manieth, behind those that are written already.
pub(super) type Place = for<'a> fn(Members<'a>, usize, &mut Vec<Members<'a>>, &mut Drops) -> Result<(), EncodeError>;

/// Which messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Those with traces of other providers, or of what the other members edit. Others stay as they are.
    Traces,
    /// All.
    All,
}

/// What becomes of the role `developer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Developer {
    /// It is known.
    Known,
    /// It becomes `system`.
    System,
    /// It becomes `system` before a dated version of the API.
    SystemBefore(&'static str),
}

/// The form of `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A text or a list.
    TextOrList,
    /// A list.
    List,
}

/// How answers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// As OpenAI's: they pass byte for byte.
    Pass,
    /// They are put right where a strict client would stumble.
    PutRight {
        /// A member of a chunk without choices that goes out with the next chunk.
        carries: Option<&'static str>,
    },
}

/// How tokens are reported.
#[derive(Debug)]
pub(super) struct Usage {
    /// Whether a stream's usage chunk is asked for.
    pub(super) chunk: UsageChunk,
    /// Where a chunk may have it instead of in `usage`: a JSON pointer.
    pub(super) elsewhere: Option<&'static str>,
    /// Its own name for cached tokens, beside the others.
    pub(super) cached: Option<&'static str>,
    /// Whether the class of service stands in it.
    pub(super) has_tier: bool,
}

impl Usage {
    /// As OpenAI reports them: in a last chunk, if asked.
    pub(super) const PLAIN: Usage = Usage { chunk: UsageChunk::Ask, elsewhere: None, cached: None, has_tier: false };
}

/// What errors look like and mean.
#[derive(Debug)]
pub(in super::super) struct Errors {
    /// Where an answer may have an error's text instead of in `error`: a JSON pointer.
    pub(super) elsewhere: Option<&'static str>,
    /// Statuses that mean another one.
    pub(in super::super) statuses: &'static [Meant],
}

impl Errors {
    /// As OpenAI tells them.
    pub(super) const PLAIN: Errors = Errors { elsewhere: None, statuses: &[] };
}
