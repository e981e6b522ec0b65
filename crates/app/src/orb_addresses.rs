//! Orbs from addresses, as a command line allows them: `--allow-url-orb` for hosts that everybody reaches,
//! `--allow-private-url-orb` for those of one's own networks. Nothing is allowed by itself. Used by the server and by
//! whatever compiles without one; `transport` does the fetching and holds its rules.

use airlock_domain::limits::ORB_BYTES;
use airlock_driver_interfaces::orbs::{OrbAddresses, OrbFetchError};
use airlock_pipeline_config::{OrbReference, url_is_allowed};
use airlock_transport::fetch::{FetchError, Fetched, Fetcher, Reach};
use anyhow::Context as _;
use async_trait::async_trait;
use clap::Args;

/// What may be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct OrbAddressArguments {
    /// Fetch orbs whose addresses begin like this: https://HOST/…/, with the slash at its end. May be given several times.
    #[arg(
        long = "allow-url-orb",
        value_name = "PREFIX",
        env = "AIRLOCK_ORBS_ALLOW_URL",
        value_delimiter = ',',
        value_parser = prefix
    )]
    public: Vec<String>,
    /// The same for a host of this machine or of a private network, which --allow-url-orb does not reach.
    #[arg(
        long = "allow-private-url-orb",
        value_name = "PREFIX",
        env = "AIRLOCK_ORBS_ALLOW_PRIVATE_URL",
        value_delimiter = ',',
        value_parser = prefix
    )]
    private: Vec<String>,
}

impl OrbAddressArguments {
    /// Every allowed beginning.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.public.iter().chain(&self.private).cloned().collect()
    }

    /// The same as arguments for another process.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let flags = |flag: &str, prefixes: &[String]| -> Vec<String> {
            prefixes.iter().map(|prefix| format!("{flag}={prefix}")).collect()
        };
        [
            flags("--allow-url-orb", &self.public),
            flags("--allow-private-url-orb", &self.private),
        ]
        .concat()
    }

    /// What fetches them; nothing when nothing is allowed.
    pub(crate) fn open(&self) -> anyhow::Result<Option<FetchedOrbs>> {
        if self.prefixes().is_empty() {
            return Ok(None);
        }
        let fetcher = Fetcher::of_machine().context("preparing to fetch orbs")?;
        Ok(Some(FetchedOrbs::new(self.clone(), fetcher)))
    }
}

/// A beginning of addresses, in the one form that addresses are compared in.
fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !text.ends_with('/') {
        return Err("a prefix ends with a slash, so that it says where a name ends: https://HOST/ or https://HOST/FOLDER/".to_owned());
    }
    OrbReference::parse(&format!("{text}x"))
        .map_err(|error| format!("{error}; expected https://HOST/ or https://HOST/FOLDER/"))?;
    let parsed = url::Url::parse(text).map_err(|error| format!("{error}; expected https://HOST/"))?;
    if parsed.query().is_some() {
        return Err("a prefix has no part after `?`".to_owned());
    }
    if parsed.as_str() != text {
        return Err(format!(
            "write it as {parsed}, the form in which addresses are compared"
        ));
    }
    Ok(text.to_owned())
}

/// Fetches what is allowed.
#[derive(Debug)]
pub(crate) struct FetchedOrbs {
    allowed: OrbAddressArguments,
    fetcher: Fetcher,
}

impl FetchedOrbs {
    fn new(allowed: OrbAddressArguments, fetcher: Fetcher) -> Self {
        Self { allowed, fetcher }
    }

    /// Where an address may lead: the prefixes of private hosts open their own hosts and no others.
    fn reach(&self, url: &str) -> Reach {
        if OrbReference::parse(url).is_err() {
            Reach::Nowhere
        } else if url_is_allowed(url, &self.allowed.private) {
            Reach::Private
        } else if url_is_allowed(url, &self.allowed.public) {
            Reach::Public
        } else {
            Reach::Nowhere
        }
    }
}

#[async_trait]
impl OrbAddresses for FetchedOrbs {
    fn prefixes(&self) -> Vec<String> {
        self.allowed.prefixes()
    }

    async fn fetch(&self, url: &str) -> Result<String, OrbFetchError> {
        let fetched = self.fetcher.get(url, &|url| self.reach(url), ORB_BYTES).await;
        text_of(fetched.map_err(|error| told(&error))?)
    }
}

fn told(error: &FetchError) -> OrbFetchError {
    let text = error.to_string();
    match error {
        FetchError::Forbidden {
            may_be_allowed: true, ..
        } => OrbFetchError::Refused(format!(
            "{text}; --allow-private-url-orb allows such a host by the beginning of its address"
        )),
        FetchError::NotAllowed { .. } | FetchError::Forbidden { .. } | FetchError::Address { .. } => {
            OrbFetchError::Refused(text)
        }
        FetchError::TooLarge { .. } => OrbFetchError::TooLarge(text),
        FetchError::Unknown { .. }
        | FetchError::Connect { .. }
        | FetchError::Certificate { .. }
        | FetchError::TimedOut { .. }
        | FetchError::Broken { .. }
        | FetchError::Status { .. }
        | FetchError::Redirect { .. }
        | FetchError::TooManyRedirects { .. }
        | FetchError::Encoded { .. } => OrbFetchError::Unavailable(text),
    }
}

/// What was fetched, if it can be an orb at all; the compiler says what else is wrong with it.
fn text_of(fetched: Fetched) -> Result<String, OrbFetchError> {
    let unusable = |text: &str| OrbFetchError::Unavailable(text.to_owned());
    let html = fetched.content_type.starts_with("text/html");
    let text = String::from_utf8(fetched.bytes.into())
        .map_err(|_| unusable("what stands there is no YAML: it is not even text in UTF-8"))?;
    if html || text.trim_start().starts_with('<') {
        return Err(unusable(
            "what stands there is no YAML but a page for browsers: give the address of the file itself, and check that \
             it needs no signing in",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use airlock_testkit::{HttpsServer, Reply};

    use super::*;

    #[test]
    fn a_prefix_says_plainly_what_it_allows() {
        for good in [
            "https://orbs.example/",
            "https://orbs.example:8443/team/",
            "https://127.0.0.1/",
        ] {
            assert_eq!(prefix(good).as_deref(), Ok(good));
        }
        for (bad, words) in [
            ("https://orbs.example", "ends with a slash"),
            ("https://orbs.example/team", "ends with a slash"),
            ("http://orbs.example/", "`https://` only"),
            ("https://Orbs.example/", "write it as https://orbs.example/"),
            ("https://orbs.example:443/", "write it as https://orbs.example/"),
            ("https://orbs.example/a/../", "goes up a folder"),
            ("https://me@orbs.example/", "name or password"),
            ("https:///", "names no host"),
            ("https://orbs.example/?x=/", "no part after `?`"),
        ] {
            let told = prefix(bad).expect_err(bad);
            assert!(told.contains(words), "{bad}: {told}");
        }
    }

    fn orbs(server: &HttpsServer, public: &[&str], private: &[&str]) -> FetchedOrbs {
        let all = |paths: &[&str]| paths.iter().map(|path| server.url(path)).collect();
        let allowed = OrbAddressArguments {
            public: all(public),
            private: all(private),
        };
        FetchedOrbs::new(allowed, Fetcher::trusting(server.ca_pem()).expect("a fetcher"))
    }

    #[tokio::test]
    async fn what_can_be_no_orb_is_told_and_an_orb_is_given() {
        let server = HttpsServer::start().expect("a server");
        let file = |content_type: &str, body: &[u8]| Reply::File {
            content_type: content_type.to_owned(),
            body: body.to_vec(),
        };
        server.set("/orb.yml", Reply::yaml("commands: {}\n"));
        server.set("/page", file("text/html; charset=utf-8", b"Sign in"));
        server.set("/page.yml", file("text/plain", b"\n<!doctype html>"));
        server.set("/binary.yml", file("application/octet-stream", &[0xff, 0xfe]));
        server.set("/large.yml", file("text/plain", &vec![b'#'; ORB_BYTES + 1]));
        server.set("/fits.yml", file("text/plain", &vec![b'#'; ORB_BYTES]));
        let orbs = orbs(&server, &[], &["/"]);
        let fetch = async |path: &str| orbs.fetch(&server.url(path)).await;
        assert_eq!(fetch("/orb.yml").await.as_deref(), Ok("commands: {}\n"));
        for path in ["/page", "/page.yml"] {
            let told = fetch(path).await.expect_err(path).to_string();
            assert!(told.contains("a page for browsers"), "{told}");
        }
        let told = fetch("/binary.yml").await.expect_err("refused").to_string();
        assert!(told.contains("not even text"), "{told}");
        let large = fetch("/large.yml").await;
        assert!(matches!(large, Err(OrbFetchError::TooLarge(_))), "{large:?}");
        assert_eq!(fetch("/fits.yml").await.expect("it fits").len(), ORB_BYTES);
    }

    #[tokio::test]
    async fn a_private_host_is_reached_by_its_own_setting_only() {
        let server = HttpsServer::start().expect("a server");
        server.set("/a/orb.yml", Reply::yaml("commands: {}\n"));
        server.set("/b/orb.yml", Reply::yaml("commands: {}\n"));
        server.set("/a/out.yml", Reply::Redirect("/b/orb.yml".to_owned()));
        let public = orbs(&server, &["/a/"], &[]);
        let told = public
            .fetch(&server.url("/a/orb.yml"))
            .await
            .expect_err("it is private");
        assert!(
            matches!(&told, OrbFetchError::Refused(text) if text.contains("--allow-private-url-orb")),
            "{told:?}"
        );
        let private = orbs(&server, &["/b/"], &["/a/"]);
        private
            .fetch(&server.url("/a/orb.yml"))
            .await
            .expect("it is allowed");
        for path in ["/b/orb.yml", "/a/out.yml"] {
            let told = private.fetch(&server.url(path)).await;
            assert!(matches!(told, Err(OrbFetchError::Refused(_))), "{path}: {told:?}");
        }
        let both = orbs(&server, &[], &["/a/", "/b/"]);
        both.fetch(&server.url("/a/out.yml"))
            .await
            .expect("both are allowed");
    }

    #[test]
    fn another_process_is_allowed_the_same() {
        use clap::{Args as _, FromArgMatches as _};
        let allowed = OrbAddressArguments {
            public: vec!["https://a.example/".to_owned(), "https://b.example/x/".to_owned()],
            private: vec!["https://c.example/".to_owned()],
        };
        let command = OrbAddressArguments::augment_args(clap::Command::new("x").no_binary_name(true));
        let read = command
            .try_get_matches_from(allowed.to_arguments())
            .expect("they are read");
        assert_eq!(OrbAddressArguments::from_arg_matches(&read).ok(), Some(allowed));
    }
}
