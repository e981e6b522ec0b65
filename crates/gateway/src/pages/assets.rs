//! The static files: embedded in the binary, served under a folder named after the hash of all of them, so that
//! browsers keep them for good and a new version has new addresses. Relative imports between modules keep working.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use super::ansi;
use crate::http::answer::Problem;
use crate::http::state::State;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// Made from the same table as the renderer, so it is no file.
const ANSI_SHEET: &str = "ansi.css";

/// For the folder of this very build.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

pub(crate) fn router() -> Router<State> {
    Router::new().route("/assets/{version}/{*name}", get(serve))
}

/// Where a file is.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", version())
}

fn ansi_sheet() -> &'static str {
    static SHEET: OnceLock<String> = OnceLock::new();
    SHEET.get_or_init(ansi::stylesheet)
}

/// The hash of all files, shortened: it tells versions apart and proves nothing.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut all = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut names: Vec<Cow<'static, str>> = Files::iter().collect();
        names.sort();
        for name in names {
            all.update(name.as_bytes());
            if let Some(file) = Files::get(&name) {
                all.update(&file.metadata.sha256_hash());
            }
        }
        all.update(ansi_sheet().as_bytes());
        hex(&all.finish().as_ref()[..8])
    })
}

fn content(name: &str) -> Option<Cow<'static, [u8]>> {
    if name == ANSI_SHEET {
        return Some(Cow::Borrowed(ansi_sheet().as_bytes()));
    }
    Files::get(name).map(|file| file.data)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

async fn serve(Path((asked, name)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, Problem> {
    let content = content(&name).ok_or_else(|| Problem::not_found(&format!("the file {name}")))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    let tag = format!("\"{}\"", hex(&digest.as_ref()[..16]));
    // A page of an older build may still ask for its own files; it gets ours, but not for good.
    let caching = if asked == version() { FOR_GOOD } else { "no-cache" };
    let mut response = if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known == tag.as_str())
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content.into_response()
    };
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&name)));
    set.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        set.insert(ETAG, tag);
    }
    Ok(response)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendored_client_is_the_one_its_readme_names() {
        let readme = Files::get("vendor/README.md").expect("the readme");
        let readme = String::from_utf8(readme.data.into_owned()).expect("text");
        for name in ["pusher.min.js", "pusher.LICENCE.txt"] {
            let file = Files::get(&format!("vendor/{name}")).expect(name);
            let hash = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file.data).as_ref());
            assert!(readme.contains(&format!("{hash}  {name}")), "{name} has {hash}");
        }
    }

    #[test]
    fn every_file_has_a_type_of_its_own() {
        for name in Files::iter().filter(|name| !name.starts_with("vendor/")) {
            let kind = content_type(&name);
            assert!(!kind.starts_with("text/plain"), "{name} would be served as text");
        }
        assert_eq!(version().len(), 16);
        assert!(content("../Cargo.toml").is_none() && content(ANSI_SHEET).is_some());
    }
}
