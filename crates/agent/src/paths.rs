//! Paths as configs write them, inside a sandbox: `~` is the home directory, what is relative lies below the working
//! directory. Text only; the sandbox resolves links.

/// Where paths begin.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) home: String,
    /// As the config writes it.
    pub(crate) working_directory: String,
}

impl Places {
    /// The path as an absolute one.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return clean(path);
        }
        if path == "~" {
            return clean(&self.home);
        }
        if let Some(rest) = path.strip_prefix("~/") {
            return clean(&format!("{}/{rest}", self.home));
        }
        // A working directory is below home unless it says otherwise.
        let base = match self.working_directory.as_str() {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            "~" => self.home.clone(),
            other => format!("{}/{}", self.home, other.strip_prefix("~/").unwrap_or(other)),
        };
        clean(&format!("{base}/{path}"))
    }
}

/// Without `.`, `..` and double slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The name of an artifact: below `destination` if there is one, else as its path is written.
pub(crate) fn artifact_name(path: &str, destination: Option<&str>, inner: Option<&str>) -> String {
    let base = match (destination, inner) {
        // A single file keeps its name below a destination that is plainly a folder.
        (Some(folder), None) if folder.ends_with('/') => {
            format!("{folder}{}", path.rsplit('/').next().unwrap_or_default())
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => path.strip_prefix("~/").unwrap_or(path).to_owned(),
    };
    let whole = match inner {
        Some(inner) => format!("{base}/{inner}"),
        None => base,
    };
    clean(&whole).split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_where_configs_mean() {
        let places = Places {
            home: "/root".into(),
            working_directory: "~/project".into(),
        };
        for (written, meant) in [
            ("out", "/root/project/out"),
            ("./out/../x", "/root/project/x"),
            ("~", "/root"),
            ("~/x", "/root/x"),
            ("/tmp//a/", "/tmp/a"),
            ("../../../..", "/"),
        ] {
            assert_eq!(places.absolute(written), meant, "{written}");
        }
        let elsewhere = Places {
            home: "/root".into(),
            working_directory: "work".into(),
        };
        assert_eq!(elsewhere.absolute("x"), "/root/work/x");
    }

    #[test]
    fn artifacts_are_named_as_on_circleci() {
        for (path, destination, inner, name) in [
            ("/tmp/a.txt", None, None, "tmp/a.txt"),
            ("/tmp/a.txt", Some("report"), None, "report"),
            ("/tmp/a.txt", Some("reports/"), None, "reports/a.txt"),
            ("/tmp/out", Some("reports"), Some("x/y.xml"), "reports/x/y.xml"),
            ("out", None, Some("x"), "out/x"),
            ("~/out", None, Some("x"), "out/x"),
            ("../out", None, Some("x"), "out/x"),
            (".", None, Some("x"), "x"),
        ] {
            assert_eq!(artifact_name(path, destination, inner), name, "{path}");
        }
    }
}
