//! Images from a real registry: what comes out of a pull, what is refused and leaves nothing, and who shares what.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use airlock_agent::{ImageDir, ImageError, ImageSettings, ImageStore};
use airlock_domain::Secret;
use airlock_testkit::{OciLayout, Registry};
use airlock_transport::registry::RegistryLogin;
use tempfile::TempDir;

/// A registry, something to put into it, and a store to pull into.
struct Place {
    dir: TempDir,
    registry: Registry,
    told: Arc<Mutex<Vec<String>>>,
}

const LINUX: &str = "linux/amd64";

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let registry = Registry::start(&dir.path().join("registry")).expect("a registry");
        Self {
            dir,
            registry,
            told: Arc::default(),
        }
    }

    fn with_password(password: &str) -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let registry = Registry::with_password(&dir.path().join("registry"), password).expect("a registry");
        Self {
            dir,
            registry,
            told: Arc::default(),
        }
    }

    fn layout(&self, name: &str) -> OciLayout {
        OciLayout::new(&self.dir.path().join(name)).expect("a layout")
    }

    /// Puts an image of these archives into the registry as it is.
    fn push(&self, image: &str, layers: &[Vec<u8>]) {
        let mut layout = self.layout(&image.replace(['/', ':'], "-"));
        layout.image("x", LINUX, layers, "{}").expect("an image");
        self.registry
            .push(&layout, "x", image, &["--preserve-digests"])
            .expect("pushed");
    }

    fn store(&self) -> ImageStore {
        ImageStore::open(self.dir.path().join("images")).expect("opened")
    }

    async fn obtain(&self, store: &ImageStore, name: &str) -> Result<ImageDir, ImageError> {
        self.obtain_as(store, name, &RegistryLogin::Anonymous).await
    }

    async fn obtain_as(
        &self,
        store: &ImageStore,
        name: &str,
        login: &RegistryLogin,
    ) -> Result<ImageDir, ImageError> {
        let told = Arc::clone(&self.told);
        let tell = Arc::new(move |progress: airlock_agent::Progress| {
            told.lock().expect("kept").push(progress.phase);
        });
        store.obtain(name, login, tell).await
    }

    /// The error of a pull in words; nothing of it may be left in the store.
    async fn refused(&self, name: &str) -> String {
        let store = self.store();
        let error = self.obtain(&store, &self.registry.name(name)).await;
        let text = error.expect_err("refused").to_string();
        let left = left(&self.dir.path().join("images"));
        assert!(left.is_empty(), "left behind: {left:?} after {text}");
        text
    }
}

/// What a store holds besides locks.
fn left(store: &Path) -> Vec<PathBuf> {
    ["layers", "pulled", "tmp", "rootfs"]
        .into_iter()
        .flat_map(|part| fs::read_dir(store.join(part)).expect("listed"))
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// An archive of one file or directory.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        let (kind, mode) = if name.ends_with('/') {
            (tar::EntryType::Directory, 0o755)
        } else {
            (tar::EntryType::Regular, 0o644)
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(text.len() as u64);
        let gnu = header.as_gnu_mut().expect("the form asked for");
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).expect("appended");
    }
    builder.into_inner().expect("finished")
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_come_once_and_are_shared() {
    let place = Place::new();
    let base = archive(&[("etc/", ""), ("etc/one", "1"), ("etc/two", "2")]);
    let top = archive(&[("etc/.wh.one", ""), ("new", "n")]);
    place.push("test/base:1", std::slice::from_ref(&base));
    place.push("test/both:1", &[base, top]);
    let store = place.store();
    let both = place
        .obtain(&store, &place.registry.name("test/both:1"))
        .await
        .expect("pulled");
    assert_eq!(both.layers.len(), 2, "highest first");
    assert!(is_whiteout(&both.layers[0].join("etc/one")));
    assert_eq!(
        fs::read_to_string(both.layers[1].join("etc/two")).expect("read"),
        "2"
    );
    assert!(
        both.record.origin.contains("test/both@sha256:"),
        "{}",
        both.record.origin
    );
    assert_eq!(both.record.size, 3);

    let base = place
        .obtain(&store, &place.registry.name("test/base:1"))
        .await
        .expect("pulled");
    assert_eq!(base.layers, both.layers[1..]);
    let told = place.told.lock().expect("kept").clone();
    assert!(
        told.iter().any(|line| line.contains("was here already")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("Pulling 127.0.0.1:")),
        "{told:?}"
    );

    // What is here and was just looked up costs no question.
    let asked = place.registry.requests("/manifests/");
    place
        .obtain(&store, &place.registry.name("test/base:1"))
        .await
        .expect("found");
    assert_eq!(place.registry.requests("/manifests/"), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_and_zstd_layers_are_the_same_layers() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let text = "some text that is worth packing ".repeat(1000);
    layout
        .image("x", LINUX, &[archive(&[("etc/", ""), ("etc/text", &text)])], "{}")
        .expect("an image");
    for (image, flags) in [
        ("test/packed:plain", &["--preserve-digests"][..]),
        (
            "test/packed:gzip",
            &["--dest-compress", "--dest-compress-format=gzip"],
        ),
        (
            "test/packed:zstd",
            &["--dest-compress", "--dest-compress-format=zstd"],
        ),
    ] {
        place.registry.push(&layout, "x", image, flags).expect("pushed");
    }
    let mut seen = Vec::new();
    for tag in ["plain", "gzip", "zstd"] {
        let data = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let store = ImageStore::open(data.path()).expect("opened");
        let name = place.registry.name(&format!("test/packed:{tag}"));
        let image = place.obtain(&store, &name).await.expect(tag);
        let layer = &image.layers[0];
        assert_eq!(fs::read_to_string(layer.join("etc/text")).expect("read"), text);
        seen.push(layer.file_name().expect("a name").to_owned());
    }
    assert!(seen.iter().all(|name| *name == seen[0]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_gives_this_platform_or_says_what_there_is() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let mut image = |platform: &str, text: &str| {
        layout
            .image(
                &text.replace(' ', "-"),
                platform,
                &[archive(&[("which", text)])],
                "{}",
            )
            .expect("an image")
    };
    let arm = image("linux/s390x", "for others");
    let own = image(LINUX, "for us");
    let list = layout
        .list("both", &[("linux/s390x", arm.clone()), (LINUX, own)])
        .expect("a list");
    layout.list("others", &[("linux/s390x", arm)]).expect("a list");
    for (tag, flags) in [
        ("both", &["--all", "--preserve-digests"][..]),
        ("others", &["--all", "--preserve-digests"]),
        ("for-others", &["--preserve-digests"]),
    ] {
        let name = format!("test/list:{tag}");
        place.registry.push(&layout, tag, &name, flags).expect("pushed");
    }
    let text = place.refused("test/list:others").await;
    assert!(
        text.contains("not there for linux/amd64") && text.contains("linux/s390x"),
        "{text}"
    );
    let text = place.refused("test/list:for-others").await;
    assert!(text.contains("linux/s390x"), "{text}");
    let store = place.store();
    let image = place
        .obtain(&store, &place.registry.name("test/list:both"))
        .await
        .expect("pulled");
    assert_eq!(
        fs::read_to_string(image.layers[0].join("which")).expect("read"),
        "for us"
    );
    // What a config may pin is the list, which is one for all platforms.
    assert!(
        image.record.origin.contains(&list.digest),
        "{}",
        image.record.origin
    );
    let pinned = place.registry.name(&format!("test/list@{}", list.digest));
    let again = place.obtain(&store, &pinned).await.expect("pulled by digest");
    assert_eq!(again.record.digest, image.record.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_is_seen_and_a_registry_that_is_away_is_no_end() {
    let place = Place::new();
    place.push("test/moving:1", &[archive(&[("which", "first")])]);
    let name = place.registry.name("test/moving:1");
    let always = ImageSettings {
        refresh_minutes: 0,
        ..ImageSettings::default()
    };
    let store = place.store().with_settings(always);
    let first = place.obtain(&store, &name).await.expect("pulled");
    let pinned = first.record.origin.trim_start_matches("pulled as ").to_owned();
    place.push("test/moving:1", &[archive(&[("which", "second")])]);
    let second = place.obtain(&store, &name).await.expect("pulled again");
    assert_eq!(
        fs::read_to_string(second.layers[0].join("which")).expect("read"),
        "second"
    );
    let still = place.obtain(&store, &pinned).await.expect("pinned");
    assert_eq!(still.record.digest, first.record.digest);

    let Place { dir, registry, told } = place;
    registry.stop().expect("stopped");
    let lines = Arc::clone(&told);
    let tell = Arc::new(move |progress: airlock_agent::Progress| {
        lines.lock().expect("kept").push(progress.phase);
    });
    let login = RegistryLogin::Anonymous;
    let kept = store
        .obtain(&name, &login, Arc::clone(&tell) as _)
        .await
        .expect("what is here");
    assert_eq!(kept.record.digest, second.record.digest);
    let told = told.lock().expect("kept").clone();
    assert!(
        told.iter()
            .any(|line| line.contains("cannot be reached") && line.contains("using what was pulled")),
        "{told:?}"
    );
    let other = name.replace("moving", "other");
    let error = store
        .obtain(&other, &login, tell)
        .await
        .expect_err("away")
        .to_string();
    assert!(
        error.contains("cannot be reached") && error.contains("airlock image import"),
        "{error}"
    );
    drop(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_password_pulled_another_must_ask_for() {
    let place = Place::with_password("canary-4711");
    let mut layout = place.layout("layout");
    layout
        .image("x", LINUX, &[archive(&[("which", "private")])], "{}")
        .expect("an image");
    place
        .registry
        .push(&layout, "x", "team/private:1", &["--preserve-digests"])
        .expect("pushed");
    let name = place.registry.name("team/private:1");
    let store = place.store();
    let login = |password: &str| RegistryLogin::Password {
        username: Registry::user().to_owned(),
        password: Secret::new(password),
    };
    let text = place.obtain(&store, &name).await.expect_err("denied").to_string();
    assert!(
        text.contains("denied it") && text.contains("auth: {username"),
        "{text}"
    );
    place
        .obtain_as(&store, &name, &login("canary-4711"))
        .await
        .expect("pulled");
    // It is here now, and still nobody else's.
    for other in [RegistryLogin::Anonymous, login("canary-4712")] {
        let text = place
            .obtain_as(&store, &name, &other)
            .await
            .expect_err("denied")
            .to_string();
        assert!(text.contains("denied it") && !text.contains("canary"), "{text}");
    }
    place
        .obtain_as(&store, &name, &login("canary-4711"))
        .await
        .expect("found");
    let everything = std::process::Command::new("grep")
        .args(["-rl", "canary"])
        .arg(place.dir.path().join("images"))
        .output()
        .expect("grep runs");
    assert!(everything.stdout.is_empty(), "{everything:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_nothing_of_it_is_kept() {
    let place = Place::new();
    let text = place.refused("test/nothing:1").await;
    assert!(text.contains("knows no such image"), "{text}");
    let text = place
        .obtain(&place.store(), "Team/Tools")
        .await
        .expect_err("no name")
        .to_string();
    assert!(text.contains("lower case"), "{text}");

    let good = archive(&[("etc/", ""), ("etc/good", "g")]);
    let hostile = archive(&[("a", "x"), ("../../../pwned", "x")]);
    place.push("test/hostile:1", &[good.clone(), hostile]);
    let text = place.refused_but_layers("test/hostile:1", 1).await;
    assert!(
        text.contains("'../../../pwned' leads out of the layer") && text.contains("nothing of it was kept"),
        "{text}"
    );
    assert!(!place.dir.path().join("pwned").exists());

    // A configuration that claims other layers than there are.
    let mut layout = place.layout("lying");
    let claimed = [format!("sha256:{}", "ab".repeat(32))];
    layout
        .image_claiming("x", LINUX, &[archive(&[("lie", "x")])], &claimed, "{}")
        .expect("an image");
    place
        .registry
        .push(&layout, "x", "test/lying:1", &["--preserve-digests"])
        .expect("pushed");
    let text = place.refused_but_layers("test/lying:1", 1).await;
    assert!(text.contains("and not sha256:abab"), "{text}");
}

/// A private image's layer, pulled with its password, and a registry in the hands of somebody who knows its digests.
struct Stolen {
    place: Place,
    theirs: Registry,
    layer: Vec<u8>,
    digest: String,
}

impl Stolen {
    async fn new() -> Self {
        let place = Place::with_password("canary-4711");
        let layer = archive(&[("secret", "of the company")]);
        let mut layout = place.layout("layout");
        layout
            .image("x", LINUX, std::slice::from_ref(&layer), "{}")
            .expect("an image");
        let digest = layout.blob(&layer).expect("a blob").digest;
        place
            .registry
            .push(&layout, "x", "team/private:1", &["--preserve-digests"])
            .expect("pushed");
        let login = RegistryLogin::Password {
            username: Registry::user().to_owned(),
            password: Secret::new("canary-4711"),
        };
        place
            .obtain_as(&place.store(), &place.registry.name("team/private:1"), &login)
            .await
            .expect("pulled by who may");
        let theirs = Registry::start(&place.dir.path().join("theirs")).expect("a registry");
        Self {
            place,
            theirs,
            layer,
            digest,
        }
    }

    /// Puts an image of these layers into their registry that claims to be the private one.
    fn claim(&self, image: &str, layer: &[u8]) {
        let mut layout = self.place.layout(&image.replace(['/', ':'], "-"));
        let claimed = std::slice::from_ref(&self.digest);
        layout
            .image_claiming("x", LINUX, &[layer.to_vec()], claimed, "{}")
            .expect("an image");
        self.theirs
            .push(&layout, "x", image, &["--preserve-digests"])
            .expect("pushed");
    }

    async fn try_it(&self, image: &str) -> Result<String, String> {
        let name = self.theirs.name(image);
        match self.place.obtain(&self.place.store(), &name).await {
            Ok(image) => Ok(fs::read_to_string(image.layers[0].join("secret")).expect("read")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What the store would hold if anybody could have fetched these bytes.
    fn unlock(&self, travelled: &str) {
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        let shown = format!("images/layers/{}.shown", hex(&self.digest));
        let file = self
            .place
            .dir
            .path()
            .join(shown)
            .join(format!("{}.anyone", hex(travelled)));
        fs::write(file, "").expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_alone_opens_no_layer() {
    let stolen = Stolen::new().await;
    // Other bytes under the private layer's name.
    let other = archive(&[("mine", "x")]);
    stolen.claim("me/claim:1", &other);
    let error = stolen.try_it("me/claim:1").await.expect_err("refused");
    assert!(error.contains("and not sha256:"), "{error}");
    // The private layer's own digest, where nobody has its bytes.
    stolen.claim("me/digest:1", &stolen.layer);
    let blob = stolen.theirs.blob(&stolen.digest);
    let bytes = fs::read(&blob).expect("the registry's copy");
    fs::remove_file(&blob).expect("removed");
    let error = stolen.try_it("me/digest:1").await.expect_err("refused");
    assert!(!error.contains("company"), "{error}");

    // Whoever has the bytes may use the layer that is here.
    fs::write(&blob, &bytes).expect("written");
    assert_eq!(
        stolen.try_it("me/digest:1").await.as_deref(),
        Ok("of the company")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_what_was_shown_a_claim_would_open_it() {
    let stolen = Stolen::new().await;
    let other = archive(&[("mine", "x")]);
    stolen.claim("me/claim:1", &other);
    let travelled = stolen.place.layout("other").blob(&other).expect("a blob").digest;
    stolen.unlock(&travelled);
    assert_eq!(stolen.try_it("me/claim:1").await.as_deref(), Ok("of the company"));
}

/// A registry with one manifest, or one without end; its blobs have none.
fn endless(manifest: Option<String>) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    #[expect(
        clippy::disallowed_methods,
        reason = "no real registry keeps anything without end"
    )]
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let manifest = manifest.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut lines = BufReader::new(stream.try_clone()?).lines();
                while let Some(first) = lines.next().transpose()? {
                    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
                    let body = match &manifest {
                        Some(text) if first.contains("/manifests/") => text,
                        Some(_) | None if first.contains("/test/") => {
                            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                            let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                            // Ends when the other side has had enough.
                            loop {
                                stream.write_all(piece.as_bytes())?;
                            }
                        }
                        Some(_) | None => "",
                    };
                    let length = body.len();
                    write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
                    )?;
                }
                Ok(())
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_are_not_read_without_end() {
    let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let store = ImageStore::open(dir.path()).expect("opened");
    let manifest = |config_size: usize| {
        let digest = format!("sha256:{}", "ab".repeat(32));
        Some(format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":{config_size}}},"layers":[]}}"#
        ))
    };
    let spaces = |count: usize| Some(format!("{}{{}}", " ".repeat(count)));
    for (what, manifest, expected) in [
        ("a manifest", None, "its manifest is larger than 4194304 bytes"),
        ("less", spaces(4 * 1024 * 1024 - 2), "is no manifest"),
        (
            "more",
            spaces(4 * 1024 * 1024),
            "its manifest is larger than 4194304 bytes",
        ),
        (
            "a configuration",
            manifest(10),
            "its configuration is larger than 4194304 bytes",
        ),
        (
            "one that says so",
            manifest(5_000_000),
            "its configuration is larger than 4194304 bytes",
        ),
    ] {
        let name = format!("{}/test/large:1", endless(manifest));
        let answer = store
            .obtain(&name, &RegistryLogin::Anonymous, Arc::new(|_| ()))
            .await;
        let text = answer.expect_err("refused").to_string();
        assert!(text.contains(expected), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_may_be_large() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let container = format!(
        r#"{{"Labels":{{"text":"{}"}}}}"#,
        "x".repeat(4 * 1024 * 1024 - 1000)
    );
    layout
        .image("x", LINUX, &[archive(&[("which", "large")])], &container)
        .expect("an image");
    place
        .registry
        .push(&layout, "x", "test/large:1", &["--preserve-digests"])
        .expect("pushed");
    place
        .obtain(&place.store(), &place.registry.name("test/large:1"))
        .await
        .expect("pulled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_layer_is_noticed_and_asked_for_again_later() {
    let place = Place::new();
    let mut layout = place.layout("layout");
    let layer = archive(&[("etc/", ""), ("etc/text", &"text ".repeat(20_000))]);
    layout
        .image("x", LINUX, std::slice::from_ref(&layer), "{}")
        .expect("an image");
    let blob = layout.blob(&layer).expect("a blob");
    place
        .registry
        .push(&layout, "x", "test/damaged:1", &["--preserve-digests"])
        .expect("pushed");
    let file = place.registry.blob(&blob.digest);
    let sound = fs::read(&file).expect("the registry's copy");
    let mut damaged = sound.clone();
    damaged[50_000] ^= 1;
    fs::write(&file, &damaged).expect("damaged");
    let text = place.refused("test/damaged:1").await;
    assert!(
        text.contains("arrived damaged") && text.contains(&blob.digest),
        "{text}"
    );
    fs::write(&file, &sound).expect("mended");
    place
        .obtain(&place.store(), &place.registry.name("test/damaged:1"))
        .await
        .expect("pulled");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_shares_one_pull() {
    let place = Arc::new(Place::new());
    place.push(
        "test/shared:1",
        &[archive(&[("etc/", ""), ("etc/text", &"x".repeat(100_000))])],
    );
    let name = place.registry.name("test/shared:1");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (place, name) = (Arc::clone(&place), name.clone());
        // As many stores as agents would have.
        waiting.spawn(async move { place.obtain(&place.store(), &name).await });
    }
    let mut digests = Vec::new();
    while let Some(done) = waiting.join_next().await {
        digests.push(done.expect("joined").expect("pulled").record.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
    // One manifest, its configuration and one layer.
    assert_eq!(place.registry.requests("/v2/test/shared/blobs/"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_and_age_remove_what_is_not_in_use() {
    let place = Place::new();
    for number in 1..=3 {
        let text = format!("{number}").repeat(400_000_000 / 1000);
        place.push(&format!("test/large:{number}"), &[archive(&[("text", &text)])]);
    }
    let quota = |gigabytes, days| ImageSettings {
        quota_gb: gigabytes,
        keep_days: days,
        ..ImageSettings::default()
    };
    let store = place.store();
    let name = |number: u32| place.registry.name(&format!("test/large:{number}"));
    let held = place.obtain(&store, &name(1)).await.expect("pulled");
    drop(place.obtain(&store, &name(2)).await.expect("pulled"));
    drop(place.obtain(&store, &name(3)).await.expect("pulled"));
    let names = |store: &ImageStore| -> Vec<String> {
        let all = store.list_all().expect("listed");
        all.into_iter().map(|record| record.name).collect()
    };
    // All of them fit, and none is old.
    let now = SystemTime::now();
    assert_eq!(store.collect(now).expect("collected"), 0);
    // No room at all: the one in use stays.
    let tight = place.store().with_settings(quota(0, 30));
    assert_eq!(tight.collect(now).expect("collected"), 800_000);
    assert_eq!(names(&store), [name(1)]);
    assert!(held.layers[0].join("text").exists());
    drop(held);
    // Old enough, and nobody uses it now.
    let later = now + Duration::from_hours(24 * 31);
    assert_eq!(store.collect(later).expect("collected"), 400_000);
    assert_eq!(left(&place.dir.path().join("images")), Vec::<PathBuf>::new());
    // And comes again.
    place.obtain(&store, &name(1)).await.expect("pulled again");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_are_asked_first_and_names_are_mapped() {
    let place = Place::new();
    place.push("hub/library/tool:1", &[archive(&[("which", "the mirror's")])]);
    let settings = ImageSettings {
        mirrors: [(
            "docker.io".to_owned(),
            vec![
                // Nobody listens there: the next one is asked.
                "127.0.0.1:1/nothing".to_owned(),
                format!("{}/hub", place.registry.address()),
            ],
        )]
        .into(),
        map: [("cimg/*".to_owned(), "tool:1".to_owned())].into(),
        ..ImageSettings::default()
    };
    let store = place.store().with_settings(settings);
    let image = place.obtain(&store, "cimg/anything:2024").await.expect("pulled");
    assert_eq!(image.record.name, "docker.io/library/tool:1");
    assert_eq!(
        fs::read_to_string(image.layers[0].join("which")).expect("read"),
        "the mirror's"
    );
}

impl Place {
    /// Like `refused`, where sound layers of the image may stay.
    async fn refused_but_layers(&self, name: &str, most: usize) -> String {
        let store = self.store();
        let error = self.obtain(&store, &self.registry.name(name)).await;
        let text = error.expect_err("refused").to_string();
        let all = left(&self.dir.path().join("images"));
        let layers = all.iter().filter(|path| {
            let here = path.parent().is_some_and(|parent| parent.ends_with("layers"));
            here && path.extension().is_none()
        });
        assert!(layers.count() <= most, "{all:?}");
        assert!(
            !all.iter()
                .any(|path| path.parent().is_some_and(|parent| parent.ends_with("images/tmp"))),
            "{all:?}"
        );
        text
    }
}
