//! The machine a figure was measured on: without it a number says nothing.

use serde_json::{Value, json};

/// What does not change while it is measured.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let uname = rustix::system::uname();
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: processor(&information).unwrap_or("unknown").to_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "cores": self.cores, "processor": self.processor, "kernel": self.kernel })
    }
}

/// The load of the last one, five and fifteen minutes.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn processor(information: &str) -> Option<&str> {
    let line = information.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nprocessor\t: 1\nmodel name\t: B\n";
        assert_eq!(processor(text), Some("A Processor @ 2 GHz"));
        assert_eq!(processor("Features: fp\n"), None);
    }
}
