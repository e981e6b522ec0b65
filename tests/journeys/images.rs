//! Jobs on images from a registry: by tag, with a password, and what is said when it goes wrong.

use airlock_testkit::{DataDir, OciLayout, Registry, busybox_root};

use crate::support::{self, Checkout};

/// A busybox image that umoci made, with variables and a second layer that deletes a file of the first.
fn busybox(data: &DataDir) -> anyhow::Result<OciLayout> {
    let (root, extra) = (data.join("root"), data.join("extra"));
    busybox_root(&root)?;
    std::fs::write(root.join("etc/gone"), "x")?;
    std::fs::create_dir_all(extra.join("etc"))?;
    std::fs::write(extra.join("etc/added"), "from the second layer\n")?;
    let config = [
        "--config.env",
        "FROM_IMAGE=yes",
        "--config.env",
        "OVERRIDDEN=image",
        "--config.env",
        "PATH=/opt/tools:/bin",
        "--config.entrypoint",
        "/bin/false",
    ];
    let layout = OciLayout::with_umoci(&data.join("oci"), "1", &[&root, &extra], &config)?;
    layout.delete_with_umoci("1", "/etc/gone")?;
    Ok(layout)
}

fn config(image: &str, rest: &str, script: &str) -> String {
    format!(
        "version: 2.1\njobs:\n  build:\n    docker: [{{image: '{image}'{rest}}}]\n    environment: {{OVERRIDDEN: job}}\n    steps:\n      - run: |\n          {script}\n"
    )
}

#[test]
fn a_job_runs_on_an_image_of_the_registry() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let registry = Registry::start(&data.join("registry"))?;
    registry.push(&busybox(&data)?, "1", "test/busybox:1", &[])?;
    let script = "cat /etc/added; test ! -e /etc/gone; ls /etc; echo \"$FROM_IMAGE $OVERRIDDEN\"; case $PATH in *:/opt/tools:/bin) echo path-kept;; esac";
    let checkout = Checkout::new(&data, &config(&registry.name("test/busybox:1"), "", script))?;
    let cache = data.join("images");
    let run = || -> anyhow::Result<String> {
        let done = support::airlock_run(&data)?
            .variable("AIRLOCK_IMAGE_CACHE", &cache)
            .arg(&checkout.folder)
            .finish()?
            .success()?;
        Ok(done.stdout)
    };
    let first = run()?;
    for words in [
        "Pulling 127.0.0.1:",
        "3 layers",
        "stored",
        "@sha256:",
        "from the second layer",
        "yes job",
        "path-kept",
    ] {
        assert!(first.contains(words), "no {words:?} in:\n{first}");
    }
    assert!(!first.contains("│ gone"), "{first}");
    // The second run finds it.
    let second = run()?;
    assert!(
        second.contains("yes job") && !second.contains("Pulling 127.0.0.1:"),
        "{second}"
    );
    let list = support::airlock(&data)?
        .variable("AIRLOCK_IMAGE_CACHE", &cache)
        .args(["image", "list", "--data-dir"])
        .arg(data.join("airlock"))
        .finish()?
        .success()?;
    assert!(
        list.stdout.contains(&registry.name("test/busybox:1")),
        "{}",
        list.stdout
    );
    Ok(())
}

#[test]
fn a_tag_that_is_not_there_says_so() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let registry = Registry::start(&data.join("registry"))?;
    let checkout = Checkout::new(&data, &config(&registry.name("test/nothing:1"), "", "echo never"))?;
    let done = support::airlock_run(&data)?
        .variable("AIRLOCK_IMAGE_CACHE", data.join("images"))
        .arg(&checkout.folder)
        .finish()?
        .failure(1)?;
    assert!(done.stdout.contains("knows no such image"), "{}", done.stdout);
    Ok(())
}

#[test]
fn a_private_image_is_pulled_with_the_jobs_secret() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let registry = Registry::with_password(&data.join("registry"), "canary-4711-secret")?;
    registry.push(&busybox(&data)?, "1", "team/busybox:1", &[])?;
    let secrets = data.write("secrets", "REGISTRY_PASSWORD=canary-4711-secret\n")?;
    let name = registry.name("team/busybox:1");
    let auth = ", auth: {username: puller, password: $REGISTRY_PASSWORD}";
    let checkout = Checkout::new(&data, &config(&name, auth, "echo \"signed in\""))?;
    let run = |secrets: bool| -> anyhow::Result<airlock_testkit::Finished> {
        let mut run = support::airlock_run(&data)?
            .variable("AIRLOCK_IMAGE_CACHE", data.join("images"))
            .arg(&checkout.folder);
        if secrets {
            run = run.arg("--secrets").arg(data.join("secrets"));
        }
        run.finish()
    };
    assert!(secrets.exists());
    let denied = run(false)?.failure(1)?;
    assert!(denied.stdout.contains("REGISTRY_PASSWORD"), "{}", denied.stdout);
    let done = run(true)?.success()?;
    assert!(done.stdout.contains("│ signed in"), "{}", done.stdout);
    let all = [done.stdout, done.stderr, denied.stdout, denied.stderr].concat();
    assert!(!all.contains("canary"), "{all}");
    Ok(())
}

#[test]
fn steps_run_as_the_images_user_or_the_configs() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let root = data.join("root");
    busybox_root(&root)?;
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nbuilder:x:3434:3434::/home/builder:/bin/sh\n",
    )?;
    std::fs::write(
        root.join("etc/group"),
        "root:x:0:\nbuilder:x:3434:\ntools:x:50:builder,root\n",
    )?;
    std::fs::create_dir_all(root.join("home/builder"))?;
    std::os::unix::fs::chown(root.join("home/builder"), Some(3434), Some(3434))?;
    let layout = OciLayout::with_umoci(&data.join("oci"), "1", &[&root], &["--config.user", "builder"])?;
    let registry = Registry::start(&data.join("registry"))?;
    registry.push(&layout, "1", "test/user:1", &[])?;
    let name = registry.name("test/user:1");
    let run = |rest: &str| -> anyhow::Result<String> {
        let checkout = Checkout::new(
            &data,
            &config(
                &name,
                rest,
                "echo \"$(id -u):$(id -g) $(id -G) $HOME $USER\"; pwd; touch here; sleep 0",
            ),
        )?;
        let done = support::airlock_run(&data)?
            .variable("AIRLOCK_IMAGE_CACHE", data.join("images"))
            .arg(&checkout.folder)
            .finish()?;
        Ok(done.stdout + &done.stderr)
    };
    let by_image = run("")?;
    for words in [
        "3434:3434 3434 50 /home/builder builder",
        "│ /home/builder/project",
    ] {
        assert!(by_image.contains(words), "no {words:?} in:\n{by_image}");
    }
    let by_config = run(", user: root")?;
    assert!(by_config.contains("0:0 0 50 /root root"), "{by_config}");
    let by_number = run(", user: '12:34'")?;
    assert!(by_number.contains("12:34 34 / 12"), "{by_number}");
    let nobody = run(", user: stranger")?;
    assert!(
        nobody.contains("no user 'stranger'") && nobody.contains("/etc/passwd"),
        "{nobody}"
    );
    Ok(())
}

/// A registry that serves a layout and stops in the middle of one blob, for ever.
fn stalled(layout: &std::path::Path, manifest: &str, stop_at: &str) -> anyhow::Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "no real registry stops in the middle when a test wants it"
    )]
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (layout, manifest, stop_at) = (layout.to_owned(), manifest.to_owned(), stop_at.to_owned());
    std::thread::spawn(move || {
        let (layout, manifest, stop_at) = (&layout, &manifest, &stop_at);
        std::thread::scope(|scope| {
            while let Ok((mut stream, _)) = listener.accept() {
                // Who pulls may have several connections.
                scope.spawn(move || {
                    // Whoever was killed is gone; the next one comes.
                    let _gone = answer(&mut stream, layout, manifest, stop_at);
                    // Silent, but not closed, until the other side is gone.
                    let _gone = std::io::copy(&mut stream, &mut std::io::sink());
                });
            }
        });
    });
    Ok(address)
}

fn answer(
    stream: &mut std::net::TcpStream,
    layout: &std::path::Path,
    manifest: &str,
    stop_at: &str,
) -> std::io::Result<()> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    // One request after another on one connection.
    while let Some(first) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = first.split(' ').nth(1).unwrap_or_default();
        let digest = match path.split_once("/manifests/") {
            Some(_) => manifest,
            None => path.rsplit('/').next().unwrap_or_default(),
        };
        let hex = digest.trim_start_matches("sha256:");
        let body = std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap_or_default();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        if digest == stop_at {
            stream.write_all(&body[..length / 2])?;
            return Ok(());
        }
        stream.write_all(&body)?;
    }
    Ok(())
}

#[test]
fn a_killed_pull_leaves_nothing_when_the_store_is_opened_again() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let root = data.join("root");
    busybox_root(&root)?;
    let packed = airlock_testkit::Run::new("tar")
        .args(["-cf", "../layer.tar", "."])
        .directory(&root)
        .finish()?;
    packed.success()?;
    let layer = std::fs::read(data.join("layer.tar"))?;
    let folder = data.join("layout");
    let mut layout = OciLayout::new(&folder)?;
    let manifest = layout.image("1", "linux/amd64", std::slice::from_ref(&layer), "{}")?;
    let blob = layout.blob(&layer)?;
    let address = stalled(&folder, &manifest.digest, &blob.digest)?;

    let cache = data.join("images");
    let image = || -> anyhow::Result<airlock_testkit::Run> {
        Ok(support::airlock(&data)?
            .variable("AIRLOCK_IMAGE_CACHE", &cache)
            .variable("AIRLOCK_DATA_DIR", data.join("airlock"))
            .arg("image"))
    };
    let pulling =
        airlock_testkit::Watched::start(&image()?.args(["pull", &format!("{address}/test/half:1")]))?;
    let entries = |part: &str| -> usize { std::fs::read_dir(cache.join(part)).map_or(0, Iterator::count) };
    // The layer is half there: the directory and files of it.
    airlock_testkit::wait_for("files of half a layer", airlock_testkit::PATIENCE, || {
        let half = std::fs::read_dir(cache.join("tmp")).ok()?.next()?.ok()?;
        half.path().join("root/bin").exists().then_some(())
    })?;
    airlock_testkit::Run::new("kill")
        .args(["-9", &pulling.process_id().to_string()])
        .finish()?
        .success()?;
    drop(pulling);
    assert_eq!(
        (entries("layers"), entries("pulled")),
        (0, 0),
        "half a layer has a name"
    );
    assert_eq!(entries("tmp"), 1, "the control: something was left");
    image()?.arg("prune").finish()?.success()?;
    assert_eq!((entries("layers"), entries("pulled"), entries("tmp")), (0, 0, 0));
    Ok(())
}
