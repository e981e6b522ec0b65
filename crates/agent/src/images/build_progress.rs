//! How far an image build is, read from mmdebstrap's output: each phase has a share of the whole, and within a phase the
//! packages fetched, unpacked and set up are counted against the number apt announced.

use std::fs;
use std::path::Path;

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What is being done, for people.
    pub phase: String,
}

/// First words of a phase's line, what people read, and the percentages it spans; measured on two cores.
const PHASES: &[(&str, &str, u32, u32)] = &[
    ("running apt-get update", "reading the package lists", 1, 9),
    ("downloading packages", "fetching essential packages", 9, 20),
    ("extracting archives", "unpacking essential packages", 20, 28),
    (
        "installing essential packages",
        "installing essential packages",
        28,
        58,
    ),
    (
        "installing remaining packages",
        "installing the other packages",
        58,
        97,
    ),
    ("cleaning package lists", "cleaning up", 97, 99),
];

/// Follows one build.
#[derive(Debug, Default)]
pub(super) struct Follower {
    phase: Option<usize>,
    /// Packages that apt announced for this phase.
    packages: u32,
    /// Things done to packages since the phase began.
    done: u32,
    last: u32,
}

impl Follower {
    /// Takes a line of output; says so when the percentage or the phase changed.
    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        if let Some(message) = line.strip_prefix("I: ") {
            let next = PHASES.iter().position(|(words, ..)| message.starts_with(words))?;
            // Package counts carry over: the essential ones are announced while they are fetched.
            self.phase = Some(next);
            self.done = 0;
            return self.changed(true);
        }
        if let Some(count) = announced(line) {
            self.packages = count;
            self.done = 0;
        } else if ["Get:", "Unpacking ", "Setting up "]
            .iter()
            .any(|word| line.starts_with(word))
        {
            self.done += 1;
        }
        self.changed(false)
    }

    fn changed(&mut self, new_phase: bool) -> Option<Progress> {
        let (_, phase, from, to) = PHASES.get(self.phase?)?;
        // Fetching is one thing per package, installing two; the last phase but one does all three.
        let things = self.packages
            * if *from == 58 {
                3
            } else if *from == 28 {
                2
            } else {
                1
            };
        let part = (to - from) * self.done.min(things) / things.max(1);
        let percent = (from + part).max(self.last);
        if percent == self.last && !new_phase {
            return None;
        }
        self.last = percent;
        Some(Progress {
            percent: u8::try_from(percent).unwrap_or(99),
            phase: (*phase).to_owned(),
        })
    }
}

/// `0 upgraded, 69 newly installed, …`
fn announced(line: &str) -> Option<u32> {
    let (before, _) = line.split_once(" newly installed")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Tells other processes how far we are.
pub(super) fn write(path: &Path, progress: &Progress) {
    // Only a courtesy to those who wait.
    if let Err(error) = fs::write(path, format!("{}\n{}", progress.percent, progress.phase)) {
        tracing::debug!(path = %path.display(), %error, "cannot tell how far the image is");
    }
}

/// Reads how far another process is.
pub(super) fn read(path: &Path) -> Option<Progress> {
    let text = fs::read_to_string(path).ok()?;
    let (percent, phase) = text.split_once('\n')?;
    Some(Progress {
        percent: percent.parse().ok()?,
        phase: phase.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_follow_the_output_and_never_go_back() {
        let output = "\
I: chroot architecture amd64 is equal to the host's architecture
I: running apt-get update...
Get:1 http://mirror.example/debian bookworm InRelease [151 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror.example/debian bookworm/main amd64 libc6 amd64
Get:2 http://mirror.example/debian bookworm/main amd64 bash amd64
I: extracting archives...
I: installing essential packages...
Unpacking libc6:amd64 (2.36-9) ...
Setting up libc6:amd64 (2.36-9) ...
Unpacking bash (5.2.15-2) ...
Setting up bash (5.2.15-2) ...
I: installing remaining packages inside the chroot...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror.example/debian bookworm/main amd64 git amd64
Unpacking git (1:2.39.5) ...
Setting up git (1:2.39.5) ...
I: cleaning package lists and apt cache...
I: success in 21.8759 seconds
";
        let mut follower = Follower::default();
        let seen: Vec<u8> = output
            .lines()
            .filter_map(|line| follower.line(line))
            .map(|progress| progress.percent)
            .collect();
        assert_eq!(seen, [1, 9, 14, 20, 20, 28, 35, 43, 50, 58, 58, 71, 84, 97, 97]);
    }
}
