//! Fetching files from a real HTTPS server: what is refused, each with the same file fetched once nothing is in the way.

use std::time::Duration;

use airlock_testkit::{HttpsServer, Reply};
use airlock_transport::fetch::{FetchError, Fetched, Fetcher, Reach};

const LIMIT: usize = 1_000;

fn served() -> (HttpsServer, Fetcher) {
    let server = HttpsServer::start().expect("a server");
    server.set("/orb.yml", Reply::yaml("version: 2.1\n"));
    let fetcher = Fetcher::trusting(server.ca_pem()).expect("a fetcher");
    (server, fetcher)
}

async fn get(fetcher: &Fetcher, url: &str, reach: Reach) -> Result<Fetched, FetchError> {
    fetcher.get(url, &move |_| reach, LIMIT).await
}

async fn refused(fetcher: &Fetcher, url: &str, reach: Reach) -> String {
    get(fetcher, url, reach).await.expect_err("refused").to_string()
}

/// The positive control of every test here.
async fn is_fetched(server: &HttpsServer, fetcher: &Fetcher) {
    let fetched = get(fetcher, &server.url("/orb.yml"), Reach::Private)
        .await
        .expect("fetched");
    assert_eq!(fetched.bytes, "version: 2.1\n");
    assert_eq!(fetched.content_type, "application/yaml");
}

#[tokio::test]
async fn hosts_of_this_machine_are_asked_only_when_they_may_be() {
    let (server, fetcher) = served();
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0x7f000001"] {
        let url = format!("https://{host}:{}/orb.yml", server.port());
        let told = refused(&fetcher, &url, Reach::Public).await;
        assert!(
            told.contains("which is an address of this machine or of a private network"),
            "{told}"
        );
    }
    for host in ["169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "2852039166"] {
        let told = refused(&fetcher, &format!("https://{host}/latest"), Reach::Private).await;
        assert!(told.contains("metadata"), "{told}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
    is_fetched(&server, &fetcher).await;
}

#[tokio::test]
async fn only_what_is_allowed_is_asked_and_so_is_what_a_redirect_leads_to() {
    let (server, fetcher) = served();
    server.set("/moved.yml", Reply::Redirect("orb.yml".to_owned()));
    server.set("/out.yml", Reply::Redirect(server.url("/elsewhere/orb.yml")));
    server.set("/elsewhere/orb.yml", Reply::yaml("version: 2.1\n"));
    server.set(
        "/plain.yml",
        Reply::Redirect(format!("http://localhost:{}/orb.yml", server.port())),
    );
    server.set(
        "/up.yml",
        Reply::Redirect("/allowed/%2e%2e/elsewhere/orb.yml".to_owned()),
    );
    server.set("/round.yml", Reply::Redirect("/round.yml".to_owned()));
    let only_top = {
        let top = server.url("/");
        move |url: &str| {
            let rest = url.strip_prefix(top.as_str());
            if rest.is_some_and(|rest| !rest.contains('/')) {
                Reach::Private
            } else {
                Reach::Nowhere
            }
        }
    };
    let ask = async |path: &str| fetcher.get(&server.url(path), &only_top, LIMIT).await;
    assert_eq!(ask("/moved.yml").await.expect("followed").bytes, "version: 2.1\n");
    for path in ["/out.yml", "/up.yml"] {
        let told = ask(path).await.expect_err("refused").to_string();
        assert_eq!(
            told,
            format!(
                "it leads to {}, which is not allowed",
                server.url("/elsewhere/orb.yml")
            )
        );
    }
    assert!(!server.asked().iter().any(|path| path.contains("elsewhere")));
    let told = ask("/plain.yml").await.expect_err("refused").to_string();
    assert!(told.contains("only `https://` is fetched"), "{told}");
    let told = ask("/round.yml").await.expect_err("refused").to_string();
    assert!(told.contains("redirects more than 5 times"), "{told}");
    // With everything allowed the same redirect is followed.
    let fetched = get(&fetcher, &server.url("/out.yml"), Reach::Private).await;
    assert_eq!(fetched.expect("followed").bytes, "version: 2.1\n");
    let nowhere = refused(&fetcher, &server.url("/orb.yml"), Reach::Nowhere).await;
    assert!(nowhere.contains("which is not allowed"), "{nowhere}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (server, fetcher) = served();
    let (_other, stranger) = served();
    let told = refused(&stranger, &server.url("/orb.yml"), Reach::Private).await;
    assert!(
        told.contains("no CA that this machine trusts has signed it"),
        "{told}"
    );
    let machine = Fetcher::of_machine().expect("this machine trusts somebody");
    let told = refused(&machine, &server.url("/orb.yml"), Reach::Private).await;
    assert!(
        told.contains("no CA that this machine trusts has signed it"),
        "{told}"
    );
    let another_name = format!("https://127.0.0.1:{}/orb.yml", server.port());
    let told = refused(&fetcher, &another_name, Reach::Private).await;
    assert!(told.contains("it is for another host name"), "{told}");
    assert_eq!(server.asked(), Vec::<String>::new());
    is_fetched(&server, &fetcher).await;
}

#[tokio::test]
async fn what_is_too_large_or_no_file_is_refused() {
    let (server, fetcher) = served();
    let file = |length: usize| Reply::yaml("#".repeat(length));
    server.set("/fits.yml", file(LIMIT));
    server.set("/large.yml", file(LIMIT + 1));
    server.set("/endless.yml", Reply::Endless);
    server.set("/gone.yml", Reply::Status(410));
    server.set("/strange.yml", Reply::Raw(b"SSH-2.0-strange\r\n".to_vec()));
    server.set(
        "/packed.yml",
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".to_vec()),
    );
    let told = async |path: &str| refused(&fetcher, &server.url(path), Reach::Private).await;
    for path in ["/large.yml", "/endless.yml"] {
        let told = told(path).await;
        assert!(told.contains("it has more than 1000 bytes"), "{told}");
    }
    let fits = get(&fetcher, &server.url("/fits.yml"), Reach::Private).await;
    assert_eq!(fits.expect("it fits").bytes.len(), LIMIT);
    assert!(told("/gone.yml").await.contains("the server answered 410"));
    assert!(
        told("/none.yml?token=canary")
            .await
            .contains("/none.yml: the server answered 404")
    );
    assert!(told("/packed.yml").await.contains("compressed"));
    let strange = get(&fetcher, &server.url("/strange.yml"), Reach::Private).await;
    assert!(matches!(strange, Err(FetchError::Broken { .. })), "{strange:?}");
    is_fetched(&server, &fetcher).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (server, fetcher) = served();
    server.set("/silent.yml", Reply::Silence);
    let hasty = fetcher.clone().giving_up_after(Duration::from_millis(300));
    let told = refused(&hasty, &server.url("/silent.yml"), Reach::Private).await;
    assert!(told.contains("no whole answer within 300ms"), "{told}");
    is_fetched(&server, &fetcher).await;
}

#[tokio::test]
async fn what_is_no_https_address_is_refused_and_a_secret_in_one_is_not_shown() {
    let (_server, fetcher) = served();
    for (url, words) in [
        ("http://localhost/a", "only `https://` is fetched"),
        ("file:///etc/passwd", "only `https://` is fetched"),
        ("https://me:canary@localhost/a", "holds a name or password"),
        ("nonsense", "it is none"),
    ] {
        let told = refused(&fetcher, url, Reach::Private).await;
        assert!(told.contains(words) && !told.contains("canary"), "{url}: {told}");
    }
}
