//! One part of a message's content.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::invalid;
use crate::protocol::RequestError;
use crate::protocol::text::Text;

/// A piece of content.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// What it is.
    pub kind: PartKind<'a>,
    /// The client's prompt-cache marker, as it wrote it.
    pub cache_control: Option<Cow<'a, str>>,
    /// How closely an image is to be looked at, if the client says so and not `auto`.
    pub detail: Option<Cow<'a, str>>,
    /// Where it stands, as in `messages[0].content[1]`.
    pub path: String,
}

/// What a piece of content is.
#[derive(Debug, Clone)]
pub enum PartKind<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// An image.
    Image(Image<'a>),
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// `wav` or `mp3`.
        format: Cow<'a, str>,
    },
    /// A document.
    File(File<'a>),
    /// What the model said instead of an answer.
    Refusal(Cow<'a, str>),
}

/// An image, where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image<'a> {
    /// In the request: its type, and base64.
    Data {
        /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
        media_type: Cow<'a, str>,
        /// Base64.
        data: Cow<'a, str>,
    },
    /// At an address.
    Url(Cow<'a, str>),
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File<'a> {
    /// Its name.
    pub name: Option<Cow<'a, str>>,
    /// The provider's id of a file that was handed over before.
    pub id: Option<Cow<'a, str>>,
    /// Its type, and base64.
    pub data: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its address.
    pub url: Option<Cow<'a, str>>,
}

/// The image types that every provider with vision takes.
const IMAGE_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
    #[serde(borrow, default)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_audio: Option<Audio<'a>>,
    #[serde(borrow, default)]
    file: Option<WireFile<'a>>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Audio<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    format: Text<'a>,
}

#[derive(Deserialize)]
struct WireFile<'a> {
    #[serde(borrow, default)]
    filename: Option<Text<'a>>,
    #[serde(borrow, default)]
    file_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    file_data: Option<Text<'a>>,
    #[serde(borrow, default)]
    file_url: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageUrl<'a> {
    Full {
        #[serde(borrow)]
        url: Text<'a>,
        #[serde(borrow, default)]
        detail: Option<Text<'a>>,
    },
    Short(#[serde(borrow)] Text<'a>),
}

/// Reads a content: a text, a list of parts, one part, or nothing.
pub(super) fn read_all<'a>(content: Option<&'a str>, path: &str) -> Result<Vec<Part<'a>>, RequestError> {
    let here = format!("{path}.content");
    let content = content.map_or("null", str::trim);
    match content.as_bytes().first() {
        Some(b'n') => Ok(Vec::new()),
        Some(b'"') => {
            let text: Text<'a> = serde_json::from_str(content).map_err(|error| invalid(&here, &error.to_string()))?;
            Ok(vec![Part { kind: PartKind::Text(text.0), cache_control: None, detail: None, path: here }])
        }
        Some(b'[') => {
            let parts: Vec<&'a RawValue> =
                serde_json::from_str(content).map_err(|error| invalid(&here, &error.to_string()))?;
            parts.into_iter().enumerate().map(|(index, part)| read(part.get(), format!("{here}[{index}]"))).collect()
        }
        Some(b'{') => Ok(vec![read(content, here)?]),
        _ => Err(invalid(&here, "it must be a string, a list of parts or null")),
    }
}

fn read(json: &str, path: String) -> Result<Part<'_>, RequestError> {
    let wire: Wire<'_> = serde_json::from_str(json).map_err(|error| invalid(&path, &error.to_string()))?;
    let at = |field: &str| format!("{path}.{field}");
    let missing = |field: &str| invalid(&at(field), "it is missing");
    // A part without a type is what it has: some clients write `{"text": …}`.
    let kind = wire.kind.as_ref().map_or("text", |kind| kind.0.as_ref());
    let mut detail = None;
    let kind = match kind {
        "text" | "input_text" | "output_text" => {
            PartKind::Text(wire.text.map(|text| text.0).ok_or_else(|| missing("text"))?)
        }
        "refusal" => PartKind::Refusal(wire.refusal.map(|text| text.0).ok_or_else(|| missing("refusal"))?),
        "image_url" => {
            let (image, told) = image(wire.image_url.ok_or_else(|| missing("image_url"))?.get(), &path)?;
            detail = told.filter(|detail| detail != "auto");
            PartKind::Image(image)
        }
        "input_audio" => {
            let audio = wire.input_audio.ok_or_else(|| missing("input_audio"))?;
            if !is_base64(&audio.data.0) {
                return Err(invalid(&at("input_audio.data"), "it is no base64"));
            }
            PartKind::Audio { data: audio.data.0, format: audio.format.0 }
        }
        "file" => PartKind::File(file(wire.file.ok_or_else(|| missing("file"))?, &path)?),
        other => {
            let reason = format!("`{other}` is none of text, image_url, input_audio, file, refusal");
            return Err(invalid(&at("type"), &reason));
        }
    };
    let cache_control = wire.cache_control.map(|marker| Cow::Borrowed(marker.get()));
    Ok(Part { kind, cache_control, detail, path })
}

/// An image, and how closely it is to be looked at.
fn image<'a>(json: &'a str, path: &str) -> Result<(Image<'a>, Option<Cow<'a, str>>), RequestError> {
    let here = format!("{path}.image_url.url");
    let (url, detail) = match serde_json::from_str(json) {
        Ok(ImageUrl::Full { url, detail }) => (url.0, detail.map(|detail| detail.0)),
        Ok(ImageUrl::Short(url)) => (url.0, None),
        Err(_) => return Err(invalid(&format!("{path}.image_url"), "it must be an object with `url`")),
    };
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok((Image::Url(url), detail));
    }
    let Some((media_type, data)) = data_url(&url) else {
        return Err(invalid(&here, "it must be an http(s) address or a data URL with base64"));
    };
    let media_type = if media_type == "image/jpg" { Cow::Borrowed("image/jpeg") } else { media_type };
    if !IMAGE_TYPES.contains(&media_type.as_ref()) {
        let reason = format!("`{media_type}` is none of {}", IMAGE_TYPES.join(", "));
        return Err(invalid(&here, &reason));
    }
    Ok((Image::Data { media_type, data }, detail))
}

fn file<'a>(wire: WireFile<'a>, path: &str) -> Result<File<'a>, RequestError> {
    let at = |field: &str| format!("{path}.file.{field}");
    let name = wire.filename.map(|name| name.0);
    let data = match wire.file_data.map(|data| data.0) {
        None => None,
        Some(data) if data.starts_with("data:") => {
            let read = data_url(&data).ok_or_else(|| invalid(&at("file_data"), "it is no data URL with base64"))?;
            Some(read)
        }
        Some(data) if is_base64(&data) => {
            let ending = name.as_deref().and_then(|name| name.rsplit('.').next());
            let is_text =
                ending.is_some_and(|ending| ["txt", "md"].iter().any(|known| ending.eq_ignore_ascii_case(known)));
            Some((Cow::Borrowed(if is_text { "text/plain" } else { "application/pdf" }), data))
        }
        Some(_) => return Err(invalid(&at("file_data"), "it is no base64")),
    };
    let file = File { name, id: wire.file_id.map(|id| id.0), data, url: wire.file_url.map(|url| url.0) };
    if file.id.is_none() && file.data.is_none() && file.url.is_none() {
        return Err(invalid(&at("file_data"), "it is missing, and so are file_id and file_url"));
    }
    Ok(file)
}

/// The type and the base64 of a data URL.
fn data_url<'a>(url: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let rest = url.strip_prefix("data:")?;
    let (head, data) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next()?.to_ascii_lowercase();
    if !is_base64(data) {
        return None;
    }
    let data = match url {
        Cow::Borrowed(url) => Cow::Borrowed(&url[url.len() - data.len()..]),
        Cow::Owned(_) => Cow::Owned(data.to_owned()),
    };
    Some((Cow::Owned(media_type), data))
}

/// Whether a text has only base64's characters, the padding at its end included.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && text.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
}
