//! One manifest, read no further than its limit: the library, which signs in and fetches blobs, would keep an answer of any
//! size. Its digest is computed here and compared with what the name pins and what the registry says. Called by the
//! client alone.

use aws_lc_rs::digest::{SHA256, digest};
use oci_client::errors::{DigestError, OciDistributionError as Oci, OciEnvelope};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciManifest,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::limits;

/// The forms that are understood.
const FORMS: [&str; 4] = [
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
];

/// Why there is no manifest.
pub(super) enum Problem {
    /// It is larger than it may be.
    TooLarge,
    /// Anything that the library has words for.
    Oci(Box<Oci>),
}

impl From<Oci> for Problem {
    fn from(error: Oci) -> Self {
        Self::Oci(Box::new(error))
    }
}

impl From<reqwest::Error> for Problem {
    fn from(error: reqwest::Error) -> Self {
        Oci::RequestError(error).into()
    }
}

/// What every manifest says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    schema_version: i32,
    media_type: Option<String>,
}

/// The manifest and its digest.
pub(super) async fn get(
    client: &Client,
    http: &reqwest::Client,
    scheme: &str,
    image: &Reference,
    auth: &RegistryAuth,
) -> Result<(OciManifest, String), Problem> {
    let token = client.auth(image, auth, RegistryOperation::Pull).await?;
    let wanted = image.digest().or(image.tag()).unwrap_or("latest");
    let (registry, repository) = (image.resolve_registry(), image.repository());
    let url = format!("{scheme}://{registry}/v2/{repository}/manifests/{wanted}");
    let request = http.get(&url).header(ACCEPT, FORMS.join(", "));
    let request = match (token, auth) {
        (Some(token), _) => request.bearer_auth(token),
        (None, RegistryAuth::Basic(user, password)) => request.basic_auth(user, Some(password)),
        (None, RegistryAuth::Anonymous | RegistryAuth::Bearer(_)) => request,
    };
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    if status != StatusCode::OK {
        return Err(refused(status, answer, url).await);
    }
    let body = read(answer, limits::MANIFEST_BYTES).await?;
    let digest = format!("sha256:{}", hex::encode(digest(&SHA256, &body)));
    for said in [image.digest(), header_digest(&headers)].into_iter().flatten() {
        if said != digest {
            return Err(Oci::DigestError(DigestError::VerificationError {
                expected: said.to_owned(),
                actual: digest,
            })
            .into());
        }
    }
    Ok((parsed(&body)?, digest))
}

async fn refused(status: StatusCode, answer: Response, url: String) -> Problem {
    if status == StatusCode::UNAUTHORIZED {
        return Oci::UnauthorizedError { url }.into();
    }
    let code = status.as_u16();
    // Where there is none, the code says enough.
    let body = read(answer, limits::HTTP_ERROR_BYTES).await.unwrap_or_default();
    match serde_json::from_slice::<OciEnvelope>(&body) {
        Ok(envelope) if status.is_client_error() => Oci::RegistryError { envelope, url },
        Ok(_) | Err(_) => Oci::ServerError {
            code,
            url,
            message: String::new(),
        },
    }
    .into()
}

async fn read(mut answer: Response, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut all = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if all.len() + piece.len() > limit {
            return Err(Problem::TooLarge);
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// What the registry says that it is, where that can be compared.
fn header_digest(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get("docker-content-digest")?.to_str().ok()?;
    said.starts_with("sha256:").then_some(said)
}

fn parsed(body: &[u8]) -> Result<OciManifest, Oci> {
    let form: Form =
        serde_json::from_slice(body).map_err(|error| Oci::VersionedParsingError(error.to_string()))?;
    if form.schema_version != 2 {
        return Err(Oci::UnsupportedSchemaVersionError(form.schema_version));
    }
    if let Some(form) = form.media_type.filter(|form| !FORMS.contains(&form.as_str())) {
        return Err(Oci::UnsupportedMediaTypeError(form));
    }
    serde_json::from_slice(body).map_err(|error| Oci::ManifestParsingError(error.to_string()))
}
