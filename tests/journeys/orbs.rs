//! The instance's own orb registry: brought in, used by a pushed config, mirrored, and never changed.

use airlock_testkit::{DataDir, Git, HttpsServer, Reply};
use anyhow::{Context as _, ensure};

use crate::support::{Instance, example};

const CONFIG: &str = "version: 2.1
orbs:
  greeting: demo/hello@1
workflows:
  greet:
    jobs:
      - greeting/hello: {to: Ada}
";

#[test]
fn a_pipeline_takes_the_newest_version_and_a_changed_one_is_refused() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    let airlock = |arguments: &[&str]| -> anyhow::Result<airlock_testkit::Finished> {
        instance.airlock()?.args(arguments).finish()
    };
    let orbs = example("orbs");
    let orb = orbs.join("demo/hello/1.0.0.yml");
    let folder = orbs.display().to_string();

    // Before it is brought in, the pusher reads how to do that.
    instance.create_project("demo/greets")?;
    let pushed = instance.push_config("demo/greets", CONFIG)?;
    for words in [
        "Cannot find demo/hello@1 in the orb registry",
        "airlock orb import",
        "config.yml:3",
    ] {
        ensure!(
            pushed.stderr.contains(words),
            "no {words:?} in:\n{}",
            pushed.stderr
        );
    }

    let imported = airlock(&["orb", "import", &folder])?.success()?;
    ensure!(
        imported.stdout.contains("demo/hello@1.0.0  imported"),
        "{}",
        imported.stdout
    );
    let again = airlock(&["orb", "import", &folder])?.success()?;
    ensure!(again.stdout.contains("was there"), "{}", again.stdout);
    airlock(&["pipeline", "trigger", "demo/greets"])?.success()?;
    let watched = airlock(&["pipeline", "watch", "demo/greets"])?.success()?;
    ensure!(watched.stdout.contains("Hello, Ada!"), "{}", watched.stdout);

    let text = std::fs::read_to_string(&orb).context("reading the example")?;
    let newer = data.write("newer.yml", text.replace("Hello,", "Good evening,"))?;
    let newer = newer.display().to_string();
    airlock(&["orb", "import", &newer, "demo/hello@1.0.1"])?.success()?;
    airlock(&["pipeline", "trigger", "demo/greets"])?.success()?;
    let watched = airlock(&["pipeline", "watch", "demo/greets"])?.success()?;
    ensure!(
        watched.stdout.contains("Good evening, Ada!"),
        "{}",
        watched.stdout
    );

    let refused = airlock(&["orb", "import", &newer, "demo/hello@1.0.0"])?.failure(1)?;
    ensure!(
        refused.stderr.contains("never changes") && refused.stderr.matches("sha256:").count() == 2,
        "{}",
        refused.stderr
    );
    let listed = airlock(&["orb", "list", "demo/hello"])?.success()?;
    ensure!(listed.stdout.lines().count() == 2, "{}", listed.stdout);
    Ok(())
}

#[test]
fn a_mirror_is_followed_and_what_changed_in_it_is_told() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    let mirror = data.join("mirror");
    let orb = |version: &str, says: &str| -> anyhow::Result<()> {
        let file = mirror.join(format!("orbs/my-team/hello/{version}.yml"));
        std::fs::create_dir_all(file.parent().context("a folder")?)?;
        let text = format!("version: 2.1\ncommands: {{greet: {{steps: [run: echo {says}]}}}}\n");
        std::fs::write(file, text).context("writing an orb")
    };
    orb("1.0.0", "one")?;
    let git = Git::init(&mirror)?;
    git.commit_all("first")?;
    let url = format!("file://{}", mirror.display());
    let sync = || {
        instance
            .airlock()?
            .args(["orb", "sync", &url, "--path", "orbs"])
            .finish()
    };
    ensure!(sync()?.success()?.stdout.contains("1 new, 0 there already"));
    ensure!(sync()?.success()?.stdout.contains("0 new, 1 there already"));

    orb("1.0.0", "changed")?;
    orb("1.1.0", "two")?;
    git.commit_all("second")?;
    let told = sync()?.failure(1)?;
    ensure!(told.stdout.contains("1 new, 0 there already"), "{}", told.stdout);
    ensure!(
        told.stderr.contains("my-team/hello@1.0.0") && told.stderr.matches("sha256:").count() == 2,
        "{}",
        told.stderr
    );
    let listed = instance
        .airlock()?
        .args(["orb", "list", "--json"])
        .finish()?
        .success()?;
    ensure!(listed.stdout.lines().count() == 2, "{}", listed.stdout);
    Ok(())
}

#[test]
fn an_orb_is_validated_without_an_instance() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let good = example("orbs").join("demo/hello/1.0.0.yml");
    let airlock = || crate::support::airlock(&data);
    airlock()?
        .args(["orb", "validate"])
        .arg(&good)
        .finish()?
        .success()?;
    let wrong = data.write(
        "wrong.yml",
        "version: 2.1\ncommands:\n  greet:\n    steps:\n      - run: echo << parameters.to >>\n",
    )?;
    let told = airlock()?
        .args(["orb", "validate"])
        .arg(&wrong)
        .finish()?
        .failure(1)?;
    ensure!(told.stderr.contains("wrong.yml:5:"), "{}", told.stderr);
    Ok(())
}

const AT_AN_ADDRESS: &str = "version: 2.1
orbs:
  greeting: ORB
workflows:
  greet:
    jobs:
      - greeting/hello: {to: Ada}
";

#[test]
fn a_push_takes_an_orb_from_an_address_that_was_allowed() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let server = HttpsServer::start()?;
    let orb = std::fs::read_to_string(example("orbs").join("demo/hello/1.0.0.yml"))
        .context("reading the example")?;
    server.set("/orbs/hello.yml", Reply::yaml(orb));
    let bundle = data.write("ca.pem", server.ca_pem())?;
    let allowed = server.url("/orbs/");
    let config = |path: &str| AT_AN_ADDRESS.replace("ORB", &server.url(path));
    let instance = Instance::start_with(&data, |up| {
        up.variable("SSL_CERT_FILE", &bundle)
            .args(["--allow-private-url-orb", &allowed])
    })?;

    instance.create_project("demo/greets")?;
    let pushed = instance.push_config("demo/greets", &config("/elsewhere/hello.yml"))?;
    for words in [
        "no allowed address begins like this one",
        "--allow-url-orb PREFIX",
        "config.yml:3:13",
    ] {
        ensure!(
            pushed.stderr.contains(words),
            "no {words:?} in:\n{}",
            pushed.stderr
        );
    }
    ensure!(server.asked().is_empty(), "{:?} was asked for", server.asked());

    instance.create_project("demo/welcomes")?;
    instance.push_config("demo/welcomes", &config("/orbs/hello.yml"))?;
    let watched = instance
        .airlock()?
        .args(["pipeline", "watch", "demo/welcomes"])
        .finish()?
        .success()?;
    ensure!(watched.stdout.contains("Hello, Ada!"), "{}", watched.stdout);
    ensure!(
        server.asked() == ["/orbs/hello.yml"],
        "{:?} was asked for",
        server.asked()
    );
    Ok(())
}

#[test]
fn the_command_line_fetches_an_orb_when_it_is_told_so() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let server = HttpsServer::start()?;
    let orb = std::fs::read_to_string(example("orbs").join("demo/hello/1.0.0.yml"))
        .context("reading the example")?;
    server.set("/orbs/hello.yml", Reply::yaml(orb));
    server.set(
        "/orbs/out.yml",
        Reply::Redirect("/elsewhere/hello.yml".to_owned()),
    );
    let bundle = data.write("ca.pem", server.ca_pem())?;
    let allowed = server.url("/orbs/");
    let validate = |path: &str, more: &[&str], trusting: bool| {
        let config = data.write("config.yml", AT_AN_ADDRESS.replace("ORB", &server.url(path)))?;
        let run = crate::support::airlock(&data)?
            .args(["config", "validate"])
            .arg(config)
            .args(more);
        let run = if trusting {
            run.variable("SSL_CERT_FILE", &bundle)
        } else {
            run
        };
        run.finish()
    };
    let none: &[&str] = &[];
    let public: &[&str] = &["--allow-url-orb", &allowed];
    let private: &[&str] = &["--allow-private-url-orb", &allowed];
    validate("/orbs/hello.yml", private, true)?.success()?;
    ensure!(
        server.asked() == ["/orbs/hello.yml"],
        "{:?} was asked for",
        server.asked()
    );

    for (path, more, trusting, words) in [
        (
            "/orbs/hello.yml",
            none,
            true,
            "here `--allow-url-orb PREFIX` allows one",
        ),
        (
            "/orbs/hello.yml",
            public,
            true,
            "--allow-private-url-orb allows such a host",
        ),
        (
            "/orbs/hello.yml",
            private,
            false,
            "no CA that this machine trusts has signed it",
        ),
        ("/orbs/none.yml", private, true, "the server answered 404"),
        ("/orbs/out.yml", private, true, "which is not allowed"),
    ] {
        let told = validate(path, more, trusting)?.failure(1)?.stderr;
        ensure!(
            told.contains(words) && told.contains("config.yml:3:13"),
            "no {words:?} in:\n{told}"
        );
    }
    let asked = server.asked();
    ensure!(
        !asked.iter().any(|path| path.contains("elsewhere")),
        "{asked:?} was asked for"
    );

    let wrong = validate(
        "/orbs/hello.yml",
        &["--allow-url-orb", "https://orbs.example"],
        true,
    )?
    .failure(2)?;
    ensure!(wrong.stderr.contains("ends with a slash"), "{}", wrong.stderr);
    for command in ["process", "explain"] {
        let config = data.write(
            "config.yml",
            AT_AN_ADDRESS.replace("ORB", &server.url("/orbs/hello.yml")),
        )?;
        let run = || {
            anyhow::Ok(
                crate::support::airlock(&data)?
                    .args(["config", command])
                    .arg(&config),
            )
        };
        run()?
            .args(private)
            .variable("SSL_CERT_FILE", &bundle)
            .finish()?
            .success()?;
        run()?.args(["--format", "sarif"]).finish()?.failure(2)?;
    }
    Ok(())
}
