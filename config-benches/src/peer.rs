//! PyYAML, where it is installed: the parser that CircleCI's documents and most tools of the field go by, once in C and
//! once in Python.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Milliseconds for the same bytes, as the best of some runs.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Through libyaml.
    pub(crate) c: Option<f64>,
    pub(crate) python: Option<f64>,
}

const PROGRAM: &str = "
import sys, time
try:
    import yaml
except ImportError:
    sys.exit(3)
text = sys.stdin.buffer.read()
runs = int(sys.argv[1])
for name, runs in (('CSafeLoader', runs), ('SafeLoader', min(runs, 3))):
    loader = getattr(yaml, name, None)
    if loader is None:
        continue
    times = []
    try:
        for _ in range(runs):
            begun = time.perf_counter()
            yaml.load(text, Loader=loader)
            times.append((time.perf_counter() - begun) * 1000)
    except yaml.YAMLError:
        continue
    times.sort()
    print(name, times[(len(times) - 1) // 2])
";

/// Lets PyYAML read the same bytes; nothing where it is not installed.
pub(crate) fn pyyaml(bytes: &[u8], runs: u32) -> anyhow::Result<Option<Peer>> {
    let child = Command::new("python3")
        .args(["-c", PROGRAM, &runs.min(10).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return Ok(None) };
    if let Some(mut input) = child.stdin.take() {
        // A program that ends before it reads says so with its exit code.
        let _ = input.write_all(bytes);
    }
    let output = child.wait_with_output().context("waiting for PyYAML")?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut peer = Peer::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once(' ') {
            Some(("CSafeLoader", time)) => peer.c = time.parse().ok(),
            Some(("SafeLoader", time)) => peer.python = time.parse().ok(),
            Some(_) | None => {}
        }
    }
    Ok(Some(peer))
}
