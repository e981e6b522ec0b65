//! What somebody reads who checks a config at a terminal: the whole text where it is a first contact, in every format, and
//! for every way in which a name can be wrong.

use airlock_testkit::{DataDir, Finished, Run, airlock_binary};
use anyhow::Context as _;
use serde_json::Value;

const GOOD: &str = "version: 2.1
jobs:
  build:
    docker: [{image: airlock/base}]
    steps: [checkout]
workflows:
  main:
    jobs:
      - build: {filters: {branches: {only: main}}}
";

const WRONG: &str = "version: 2.1
jobs:
  build:
    docker: [{image: airlock/base}]
    stpes: [checkout]
";

const TOLD: &str = "error[unknown-key]: extraneous key [stpes] is not permitted in job `build`
 --> wrong.yml:5:5
  |
5 |     stpes: [checkout]
  |     ^^^^^
  |
  = help: did you mean `steps`?
  = fix: replace `stpes` with `steps`

1 error
more about unknown-key: docs/diagnostics/unknown-key.md
";

/// A folder with a good config at its place and a wrong one beside.
struct Desk(DataDir);

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let data = DataDir::new()?;
        std::fs::create_dir_all(data.join(".circleci")).context("making a folder")?;
        data.write(".circleci/config.yml", GOOD)?;
        data.write("wrong.yml", WRONG)?;
        Ok(Self(data))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.0.write(name, content)?;
        Ok(())
    }

    fn command(&self, line: &str) -> anyhow::Result<Run> {
        Ok(Run::new(airlock_binary()?)
            .directory(self.0.path())
            .args(line.split(' ')))
    }

    fn airlock(&self, line: &str) -> anyhow::Result<Finished> {
        self.command(line)?.finish()
    }

    /// A command that ends with this code and says exactly this.
    fn says(&self, line: &str, code: i32, stdout: &str, stderr: &str) -> anyhow::Result<()> {
        let done = self.airlock(line)?;
        assert_eq!(
            (done.code(), done.stdout.as_str(), done.stderr.as_str()),
            (Some(code), stdout, stderr),
            "airlock {line}"
        );
        Ok(())
    }

    /// A command that refuses, with this on standard error and nothing else.
    fn refuses(&self, line: &str, code: i32, stderr: &str) -> anyhow::Result<()> {
        self.says(line, code, "", stderr)
    }
}

fn json(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("this is no JSON: {text}"))
}

#[test]
fn a_config_is_checked_and_mended_only_when_asked() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let valid = ".circleci/config.yml is a valid config\n";
    desk.says("config validate", 0, valid, "")?;
    desk.refuses("config validate wrong.yml", 1, TOLD)?;
    // Each of several files is told, one that cannot be read too.
    let all = format!("error: there is no file none.yml\n{TOLD}");
    desk.says(
        "config validate none.yml wrong.yml .circleci/config.yml",
        1,
        valid,
        &all,
    )?;
    let done = desk.command("config validate -")?.input(WRONG).finish()?;
    assert_eq!(
        (done.code(), done.stderr),
        (Some(1), TOLD.replace("wrong.yml", "<stdin>"))
    );

    let file = desk.0.join("wrong.yml");
    assert_eq!(std::fs::read_to_string(&file)?, WRONG);
    desk.says(
        "config validate --fix wrong.yml",
        0,
        "wrong.yml is a valid config\n",
        "wrong.yml: 1 change made\n",
    )?;
    assert_eq!(std::fs::read_to_string(&file)?, WRONG.replace("stpes", "steps"));
    desk.says("config validate --fix", 0, valid, "")?;
    assert_eq!(
        std::fs::read_to_string(desk.0.join(".circleci/config.yml"))?,
        GOOD
    );
    let done = desk.command("config validate --fix -")?.input(WRONG).finish()?;
    assert_eq!(
        (done.code(), done.stderr.as_str()),
        (
            Some(1),
            "error: standard input cannot be mended: --fix writes files\n"
        )
    );
    Ok(())
}

#[test]
fn problems_come_in_every_format() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let done = desk.airlock("config validate --format json wrong.yml .circleci/config.yml")?;
    assert_eq!((done.code(), done.stderr.as_str()), (Some(1), ""));
    let problems = json(&done.stdout)?;
    assert_eq!(problems[0]["code"], "unknown-key");
    assert_eq!(problems[0]["position"]["line"], 5);
    assert_eq!(problems[0]["fixes"][0]["edits"][0]["replacement"], "steps");
    assert_eq!(problems[1], Value::Null);
    desk.says("config validate --format json", 0, "[]\n", "")?;

    let done = desk.airlock("config validate --format sarif wrong.yml")?;
    assert_eq!((done.code(), done.stderr.as_str()), (Some(1), ""));
    let log = json(&done.stdout)?;
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "unknown-key");

    desk.says(
        "config validate --format github wrong.yml",
        1,
        "::error file=wrong.yml,line=5,endLine=5,col=5,endColumn=10,title=unknown-key::extraneous key [stpes] is not \
         permitted in job `build`%0Ahelp: did you mean `steps`?%0Afix: replace `stpes` with `steps`%0Asee: \
         docs/diagnostics/unknown-key.md\n",
        "",
    )?;
    desk.says("config validate --format github", 0, "", "")?;
    for (command, forms) in [
        ("config validate", "text, json, sarif, github"),
        ("config process", "text, json"),
        ("config explain", "text, json"),
        ("orb validate wrong.yml", "text, json"),
    ] {
        let told = format!(
            "error: invalid value 'xml' for '--format <FORMAT>'\n  [possible values: {forms}]\n\nFor more information, try \
             '--help'.\n"
        );
        desk.refuses(&format!("{command} --format xml"), 2, &told)?;
    }
    Ok(())
}

#[test]
fn a_wrong_name_is_told_with_a_way_out() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    std::fs::create_dir(desk.0.join("empty")).context("making a folder")?;
    desk.write("binary.yml", b"\x7fELF\x02\x01\x01\0\xff\xfe")?;
    for command in ["config validate", "config process", "config explain"] {
        let refused = |arguments: &str, told: &str| {
            desk.refuses(&format!("{command} {arguments}"), 1, &format!("error: {told}\n"))
        };
        refused("none.yml", "there is no file none.yml")?;
        refused("wrong.yml/x", "there is no file wrong.yml/x")?;
        refused(".", ". is a folder: its config is ./.circleci/config.yml")?;
        refused(
            "empty",
            "empty is a folder: `airlock config pack empty` makes one config of its files",
        )?;
        refused(
            "--orb-dir none",
            "there is no folder none: orbs are read from NAMESPACE/ORB/VERSION.yml below it",
        )?;
        let binary = desk.airlock(&format!("{command} binary.yml"))?.failure(1)?;
        assert!(
            binary
                .stderr
                .starts_with("error[yaml-encoding]: Unable to parse YAML: "),
            "{}",
            binary.stderr
        );
        let empty = desk.command(command)?.directory(desk.0.join("empty")).finish()?;
        assert_eq!(
            (empty.code(), empty.stderr.as_str()),
            (
                Some(1),
                "error: there is no file .circleci/config.yml here: name the config, or go to the top folder of its \
                 project\n"
            )
        );
    }
    for command in ["config pack", "orb pack"] {
        desk.refuses(&format!("{command} none"), 1, "error: there is no file none\n")?;
        desk.refuses(
            &format!("{command} empty"),
            1,
            "error: there is nothing to pack in empty: neither it nor a folder in it has a file .yml or .yaml\n",
        )?;
    }
    desk.refuses("orb validate none", 1, "error: there is no file none\n")?;
    desk.refuses("orb import none", 1, "error: there is no file none\n")?;
    desk.refuses("orb import none a/b@1.0.0", 1, "error: there is no file none\n")?;
    desk.refuses(
        "config process --pipeline-value git.brnach=x",
        2,
        "error: invalid value 'git.brnach=x' for '--pipeline-value <KEY=VALUE>': there is no value `pipeline.git.brnach`; \
         did you mean `pipeline.git.branch`?\n\nFor more information, try '--help'.\n",
    )?;
    desk.refuses(
        "orb validate empty",
        1,
        "error: empty is a folder, and a file is needed\n",
    )?;
    desk.refuses(
        "config explain --changed-files none",
        1,
        "error: there is no file none\n",
    )?;
    let twice = desk
        .command("config explain - --changed-files -")?
        .input(GOOD)
        .finish()?;
    assert_eq!(
        twice.stderr,
        "error: `-` stands twice on the command line, and standard input can be read only once\n"
    );
    Ok(())
}

#[test]
fn files_that_are_too_large_or_closed_are_refused() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("large.yml", vec![b'#'; 6_000_000])?;
    let done = desk.airlock("config validate large.yml")?.failure(1)?;
    let first =
        "error[yaml-limit]: Unable to parse YAML: the file has 6000000 bytes; at most 5242880 are read\n";
    assert!(done.stderr.starts_with(first), "{}", done.stderr);
    // A device that never ends.
    let done = desk.airlock("config validate /dev/zero")?.failure(1)?;
    assert!(done.stderr.starts_with("error[yaml-limit]"), "{}", done.stderr);
    desk.refuses(
        "orb validate large.yml",
        1,
        "error: large.yml is larger than the 1048576 bytes an orb may have\n",
    )?;
    // Root reads every file as long as it has its capabilities.
    desk.write("closed.yml", GOOD)?;
    let closed = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o000);
    std::fs::set_permissions(desk.0.join("closed.yml"), closed).context("closing a file")?;
    let done = Run::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(airlock_binary()?)
        .args(["config", "validate", "closed.yml"])
        .directory(desk.0.path())
        .finish()?;
    assert_eq!(
        (done.code(), done.stderr.as_str()),
        (Some(1), "error: closed.yml may not be read by this user\n")
    );
    Ok(())
}

#[test]
fn a_config_is_processed_and_explained() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let done = desk.airlock("config process")?.success()?;
    let compiled = "version: 2
jobs:
  build:
    docker:
    - image: airlock/base
    steps:
    - checkout
workflows:
  main:
    jobs:
    - build:
        filters:
          branches:
            only: main
  version: 2
";
    assert_eq!(done.stdout, compiled);
    let again = desk.command("config process -")?.input(compiled).finish()?;
    assert_eq!(again.success()?.stdout, compiled);
    let plan = json(&desk.airlock("config process --format json")?.success()?.stdout)?;
    assert_eq!(plan["workflows"][0]["jobs"][0]["name"], "build");
    desk.refuses("config process wrong.yml", 1, TOLD)?;

    let explained = |line: &str, told: &str| -> anyhow::Result<()> {
        let done = desk.airlock(&format!("config explain{line}"))?.success()?;
        assert!(done.stdout.contains(told), "{line}: {}", done.stdout);
        Ok(())
    };
    explained(
        "",
        "  build runs: filters.branches.only has 'main', which matches 'main'\n",
    )?;
    explained(
        " --branch x",
        "  build is left out: filters.branches.only does not match 'x'\n",
    )?;
    explained(" --tag v1", "  build is left out: ")?;
    let told = json(&desk.airlock("config explain --format json")?.success()?.stdout)?;
    assert_eq!(told["workflows"][0]["name"], "main");

    desk.write(
        "parameter.yml",
        GOOD.replace(
            "jobs:\n  build",
            "parameters:\n  go: {type: boolean, default: false}\njobs:\n  build",
        )
        .replace("  main:\n", "  main:\n    when: << pipeline.parameters.go >>\n"),
    )?;
    explained(" parameter.yml", "workflow `main` is left out: ")?;
    explained(" parameter.yml --param go=true", "workflow `main` runs: ")?;
    let done = desk.airlock("config process --param go")?.failure(2)?;
    assert!(
        done.stderr
            .starts_with("error: invalid value 'go' for '--param <KEY=VALUE>': expected KEY=VALUE\n"),
        "{}",
        done.stderr
    );
    Ok(())
}

#[test]
fn codes_and_the_schema_are_printed() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = std::fs::read_to_string(docs.join("diagnostics/unknown-key.md"))?;
    desk.says("config explain-code unknown-key", 0, &page, "")?;
    desk.refuses(
        "config explain-code unknown-kye",
        1,
        "error: there is no code `unknown-kye`; did you mean `unknown-key`?\n",
    )?;
    let schema = std::fs::read_to_string(docs.join("config-schema.json"))?;
    desk.says("config schema", 0, &schema, "")?;
    // Only the strict one has a definition of what nothing may call in which unknown keys are refused.
    let strict = json(&desk.airlock("config schema --strict")?.success()?.stdout)?;
    assert_eq!(strict["definitions"]["buildJob"]["additionalProperties"], false);
    assert_eq!(json(&schema)?["definitions"]["buildJob"], Value::Null);
    Ok(())
}

#[test]
fn folders_are_packed() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    for folder in ["src/jobs", "orb/commands", "orb/scripts"] {
        std::fs::create_dir_all(desk.0.join(folder)).context("making a folder")?;
    }
    desk.write("src/@config.yml", "version: 2.1\n")?;
    desk.write(
        "src/jobs/build.yml",
        "docker: [{image: airlock/base}]\nsteps: [checkout]\n",
    )?;
    let packed = desk.airlock("config pack src")?.success()?.stdout;
    let checked = desk.command("config validate -")?.input(packed).finish()?;
    assert_eq!(checked.success()?.stdout, "<stdin> is a valid config\n");

    desk.write("orb/@orb.yml", "version: 2.1\ndescription: Greets\n")?;
    desk.write(
        "orb/commands/greet.yml",
        "steps:\n  - run: << include(scripts/greet.sh) >>\n",
    )?;
    desk.write("orb/scripts/greet.sh", "cat <<EOF\nhello\nEOF\n")?;
    let packed = desk.airlock("orb pack orb")?.success()?.stdout;
    assert!(packed.contains("\\<<EOF"), "{packed}");
    desk.write("orb.yml", packed)?;
    desk.says("orb validate orb.yml", 0, "orb.yml is a valid orb\n", "")?;
    let wrong = desk.airlock("orb validate wrong.yml")?.failure(1)?;
    assert!(
        wrong
            .stderr
            .ends_with("1 error\nmore about unknown-key: docs/diagnostics/unknown-key.md\n"),
        "{}",
        wrong.stderr
    );
    Ok(())
}
