//! The same bundle through runc, set up as Docker sets it up, and through us: what a process can see of its surroundings
//! must be the same, but for the differences in `docs/sandbox-runc.md`, each of which has its reason there. A difference
//! that is not on the page fails, and so does one on the page that is none any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lids::{MASKED, READ_ONLY};
use crate::support::Machine;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox-runc.md");

/// Docker's fourteen.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Tells what it sees, a `key<TAB>value` a line.
fn report() -> String {
    format!(
        r#"
p() {{ printf '%s\t%s\n' "$1" "$2"; }}
p user "$(id -u):$(id -g)"
p groups "$(id -G)"
p umask "$(umask)"
p directory "$(pwd)"
p hostname "$(hostname)"
p 'user map' "$(tr -s ' ' < /proc/self/uid_map | sed 's/^ //; s/^\([0-9]*\) [1-9][0-9]* /\1 shifted /')"
while read -r key value; do case $key in Cap*|NoNewPrivs:|Seccomp:) p "$key" "$value";; esac; done < /proc/self/status
p 'core files' "$(ulimit -c)"
p 'process 1 is the command' "$(test $$ = 1 && echo yes || echo no)"
p 'processes seen' "$(ls -d /proc/[0-9]* | wc -l | sed 's/^[1-9]$/few/')"
p 'loopback' "$(ip link show lo | grep -o '[<,]UP' | tr -d '<,')"
p 'network devices' "$(ls /sys/class/net | tr '\n' ' ')"
p 'open files' "$(ls /proc/self/fd | grep -c '^[012]$') of the standard ones, $(ls /proc/self/fd | grep -vc '^[0123]$') others"
for path in {masked}; do
  if ! test -e $path; then what=absent
  elif test -d $path; then what="directory of $(ls -A $path | wc -l)"
  elif test -c $path; then what=null
  else what=VISIBLE; fi
  p "masked $path" "$what"
done
for path in {read_only}; do
  p "read-only $path" "$(test -e $path && {{ grep -q " $path ro" /proc/self/mountinfo && echo yes || echo NO; }} || echo absent)"
done
for file in /dev/*; do
  # A link into /proc, made by runc where the host has the file it points to.
  test $file = /dev/core && continue
  p "device $file" "$(test -L $file && readlink $file || stat -c '%F %t:%T %a' $file)"; done
while read -r _ _ _ _ at options rest; do
  case $at in /sys/fs/cgroup/*|/proc/*|/dev/null|/dev/zero|/dev/full|/dev/random|/dev/urandom|/dev/tty|/sys/firmware) continue;; esac
  kind=${{rest#*- }}; kind=${{kind%% *}}
  p "mount $at" "$kind $options"
done < /proc/self/mountinfo
"#,
        masked = MASKED.join(" "),
        read_only = READ_ONLY.join(" ")
    )
}

fn seen(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(key, value)| (key.trim_end_matches(':').to_owned(), value.trim().to_owned()))
        .collect()
}

fn through_runc(machine: &Machine) -> String {
    let bundle = machine.path().join("bundle");
    fs::create_dir(&bundle).expect("a directory");
    let made = Command::new("runc").arg("spec").current_dir(&bundle).status();
    assert!(made.expect("runc (Debian: runc)").success());
    let path = bundle.join("config.json");
    let mut config: Value =
        serde_json::from_slice(&fs::read(&path).expect("a config")).expect("runc's own JSON");
    config["hostname"] = json!("host-same");
    config["root"] = json!({ "path": machine.image(), "readonly": false });
    config["process"]["terminal"] = json!(false);
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["args"] = json!(["/bin/sh", "-c", report()]);
    config["process"]["env"] = json!(["PATH=/bin:/sbin"]);
    config["process"]["rlimits"] = json!([]);
    config["process"]["capabilities"] = json!({
        "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
    });
    config["linux"]["maskedPaths"] = json!(MASKED);
    config["linux"]["readonlyPaths"] = json!(READ_ONLY);
    let refused = json!([{ "names": ["keyctl"], "action": "SCMP_ACT_ERRNO" }]);
    config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": refused });
    fs::write(&path, config.to_string()).expect("the config");
    let output = Command::new("runc")
        .arg("--root")
        .arg(machine.path().join("runc"))
        .args(["run", "--bundle"])
        .arg(&bundle)
        .arg(format!("airlock-same-{}", std::process::id()))
        .stdin(Stdio::null())
        .output()
        .expect("runc");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_process_sees_what_it_would_see_under_runc_but_for_what_is_written_down() {
    let machine = Machine::new();
    let theirs = seen(&through_runc(&machine));
    let ours = seen(&machine.start("same").output(&report()));
    assert!(theirs.len() > 40, "the control: {theirs:?}");
    let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let nothing = String::from("-");
    let mut found = BTreeMap::new();
    for key in keys {
        let (theirs, ours) = (
            theirs.get(key).unwrap_or(&nothing),
            ours.get(key).unwrap_or(&nothing),
        );
        if theirs != ours {
            found.insert(key.clone(), format!("runc: {theirs}, here: {ours}"));
        }
    }
    // Rows of the page: | what | reason |
    let page = fs::read_to_string(PAGE).unwrap_or_default();
    let written: BTreeSet<String> = page
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once('`')
                .map(|(key, _)| key.to_owned())
        })
        .collect();
    let unexplained: Vec<_> = found.iter().filter(|(key, _)| !written.contains(*key)).collect();
    let gone: Vec<_> = written.iter().filter(|key| !found.contains_key(*key)).collect();
    assert!(
        unexplained.is_empty() && gone.is_empty(),
        "not on docs/sandbox-runc.md: {unexplained:#?}\non it, but no difference: {gone:#?}"
    );
}
