//! What kind of machine a job's steps need: decided from its executor and resource class, offered by agents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BuildJob, Executor};

/// A kind of machine. A job needs one, an agent offers some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Linux on `x86_64`: what most jobs need.
    Linux,
    /// Linux on 64-bit Arm.
    Arm,
    /// Linux with a graphics processor.
    Gpu,
    /// Windows.
    Windows,
    /// Windows with a graphics processor.
    WindowsGpu,
    /// macOS.
    Macos,
}

/// Beginnings of resource classes that stand for a platform, longer ones first.
const CLASSES: [(&str, Platform); 4] = [
    ("windows.gpu.", Platform::WindowsGpu),
    ("windows.", Platform::Windows),
    ("gpu.", Platform::Gpu),
    ("arm.", Platform::Arm),
];

/// Beginning of the names of CircleCI's Windows images.
const WINDOWS_IMAGE: &str = "windows-server-";

impl Platform {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Linux,
        Self::Arm,
        Self::Gpu,
        Self::Windows,
        Self::WindowsGpu,
        Self::Macos,
    ];

    /// As it is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Arm => "arm",
            Self::Gpu => "gpu",
            Self::Windows => "windows",
            Self::WindowsGpu => "windows-gpu",
            Self::Macos => "macos",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Linux => "Linux on x86_64",
            Self::Arm => "Linux on Arm",
            Self::Gpu => "Linux with a graphics processor",
            Self::Windows => "Windows",
            Self::WindowsGpu => "Windows with a graphics processor",
            Self::Macos => "macOS",
        }
    }
}

impl BuildJob {
    /// What kind of machine its steps need.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let class = self.resource_class.as_str();
        let by_class = CLASSES.iter().find(|(begin, _)| class.starts_with(begin));
        match &self.executor {
            Executor::MacOs(_) => Platform::Macos,
            Executor::Docker { .. } | Executor::Machine(_) if by_class.is_some() => {
                by_class.map_or(Platform::Linux, |(_, platform)| *platform)
            }
            Executor::Machine(machine)
                if machine
                    .image
                    .as_ref()
                    .is_some_and(|image| image.as_str().starts_with(WINDOWS_IMAGE)) =>
            {
                Platform::Windows
            }
            Executor::Docker { .. } | Executor::Machine(_) => Platform::Linux,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPlatform(String);

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no platform; there are ", self.0)?;
        let words: Vec<&str> = Platform::ALL.iter().map(|platform| platform.as_str()).collect();
        f.write_str(&words.join(", "))
    }
}

impl std::error::Error for UnknownPlatform {}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|platform| platform.as_str() == word);
        known.ok_or_else(|| UnknownPlatform(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MacOs, Machine, Place};
    use super::*;
    use crate::names::{ImageName, ResourceClass};

    fn job(executor: Executor, class: &str) -> BuildJob {
        BuildJob {
            executor,
            resource_class: ResourceClass::new(class).expect("a class"),
            parallelism: 1,
            environment: Vec::new(),
            working_directory: "~/project".to_owned(),
            shell: Vec::new(),
            steps: Vec::new(),
            circleci_ip_ranges: false,
            cache_retention_days: None,
        }
    }

    fn machine(image: &str) -> Executor {
        Executor::Machine(Machine {
            image: Some(ImageName::new(image).expect("an image")),
            docker_layer_caching: false,
            place: Place::default(),
        })
    }

    #[test]
    fn the_class_says_what_a_job_needs_and_else_its_executor() {
        let of = |executor, class| job(executor, class).platform();
        assert_eq!(of(machine("ubuntu-2204:current"), "medium"), Platform::Linux);
        assert_eq!(of(machine("ubuntu-2204:current"), "arm.large"), Platform::Arm);
        assert_eq!(
            of(machine("linux-cuda-12:default"), "gpu.nvidia.small"),
            Platform::Gpu
        );
        assert_eq!(of(machine("any"), "windows.medium"), Platform::Windows);
        assert_eq!(
            of(machine("any"), "windows.gpu.nvidia.medium"),
            Platform::WindowsGpu
        );
        assert_eq!(
            of(machine("windows-server-2022-gui:current"), "medium"),
            Platform::Windows
        );
        let mac = Executor::MacOs(MacOs {
            xcode: "15.0".to_owned(),
            code_signing: Vec::new(),
            place: Place::default(),
        });
        assert_eq!(of(mac, "m4pro.medium"), Platform::Macos);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for platform in Platform::ALL {
            assert_eq!(platform.as_str().parse(), Ok(platform));
            assert_eq!(
                serde_json::to_string(&platform).expect("serialises"),
                format!("\"{platform}\"")
            );
        }
        let unknown = "beos".parse::<Platform>().expect_err("unknown").to_string();
        assert!(
            unknown.starts_with("'beos' is no platform; there are linux, arm"),
            "{unknown}"
        );
    }
}
