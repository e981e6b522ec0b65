use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::server::SERVER_KEY;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn identity(dir: &Path, ca: &InstanceCa, names: &[&str], now: SystemTime) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    ServerIdentity::open(dir, ca, &names, now)
        .expect("identity")
        .chain[0]
        .to_vec()
}

#[test]
fn opening_twice_gives_the_same_ca_and_keys_are_private() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let now = SystemTime::now();
    let first = InstanceCa::open(dir.path(), now).expect("made");
    let again = InstanceCa::open(dir.path(), now + DAY).expect("opened");
    assert_eq!(first.certificate_pem(), again.certificate_pem());
    identity(dir.path(), &first, &[], now);
    for key in [CA_KEY, SERVER_KEY] {
        let mode = fs::metadata(dir.path().join(key)).expect("there").mode();
        assert_eq!(mode & 0o7777, 0o600, "{key}");
    }
}

#[test]
fn the_server_certificate_stays_until_thirty_days_before_its_end() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let now = SystemTime::now();
    let ca = InstanceCa::open(dir.path(), now).expect("made");
    let first = identity(dir.path(), &ca, &["ci.example"], now);
    assert_eq!(first, identity(dir.path(), &ca, &["ci.example"], now + 59 * DAY));
    assert_ne!(first, identity(dir.path(), &ca, &["ci.example"], now + 61 * DAY));
}

#[test]
fn a_new_name_or_another_ca_gives_a_new_server_certificate() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let other = tempfile::tempdir().expect("temporary folder");
    let now = SystemTime::now();
    let ca = InstanceCa::open(dir.path(), now).expect("made");
    let first = identity(dir.path(), &ca, &["ci.example"], now);
    assert_eq!(
        first,
        identity(dir.path(), &ca, &[], now),
        "a name too many is no reason"
    );
    let second = identity(dir.path(), &ca, &["ci.example", "10.1.2.3"], now);
    assert_ne!(first, second);
    let other = InstanceCa::open(other.path(), now).expect("made");
    assert_ne!(
        second,
        identity(dir.path(), &other, &["ci.example", "10.1.2.3"], now)
    );
}

#[test]
fn a_key_of_another_certificate_and_a_missing_half_are_told() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let other = tempfile::tempdir().expect("temporary folder");
    let now = SystemTime::now();
    InstanceCa::open(dir.path(), now).expect("made");
    InstanceCa::open(other.path(), now).expect("made");
    fs::copy(other.path().join(CA_KEY), dir.path().join(CA_KEY)).expect("copied");
    let error = InstanceCa::open(dir.path(), now)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("another private key"), "{error}");
    fs::remove_file(dir.path().join(CA_KEY)).expect("removed");
    let error = InstanceCa::open(dir.path(), now)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("holds ca.crt but not ca.key"), "{error}");
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ca = InstanceCa::open(dir.path(), SystemTime::now()).expect("made");
    let agent = "00000000-0000-0000-0000-000000000007"
        .parse::<AgentId>()
        .expect("id");
    let good = AgentKey::generate().expect("key").request_pem().expect("request");
    ca.issue_agent(agent, &good, SystemTime::now())
        .expect("the positive control");
    // The last but one line is inside the signature: change one character of it.
    let mut lines: Vec<String> = good.lines().map(ToOwned::to_owned).collect();
    let at = lines.len() - 3;
    let flipped = if lines[at].ends_with('A') { 'B' } else { 'A' };
    lines[at].pop();
    lines[at].push(flipped);
    let error = ca
        .issue_agent(agent, &lines.join("\n"), SystemTime::now())
        .expect_err("refused")
        .to_string();
    assert!(error.contains("was refused"), "{error}");
}

#[test]
fn what_is_no_host_name_is_refused() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ca = InstanceCa::open(dir.path(), SystemTime::now()).expect("made");
    let error =
        ServerIdentity::open(dir.path(), &ca, &["a b".into()], SystemTime::now()).expect_err("refused");
    assert!(error.to_string().starts_with("'a b' cannot be a name"), "{error}");
}

#[test]
fn no_debug_output_holds_a_key() {
    let key = AgentKey::generate().expect("key");
    assert_eq!(format!("{key:?} {:?}", key.to_pem()), "AgentKey(…) Secret(…)");
}
