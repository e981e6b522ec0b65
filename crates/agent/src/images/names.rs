//! Image names as file names: every byte that is not plain is written as `%XX`, so that no two names share a file and
//! none leaves its directory.

use std::fmt::Write as _;

use airlock_domain::{ImageName, NameError};
use aws_lc_rs::digest::{SHA256, digest};

/// Longer names get a digest in place of their end: a file's name has 255 bytes, and temporary ones have more to say.
const LONGEST: usize = 180;

/// A file name that stands for this image name alone.
pub(super) fn file_name(name: &str) -> Result<String, NameError> {
    let name = ImageName::new(name)?;
    let mut file = String::with_capacity(name.as_str().len());
    for byte in name.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            file.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _infallible = write!(file, "%{byte:02X}");
        }
    }
    if file.len() > LONGEST {
        let digest = hex::encode(digest(&SHA256, file.as_bytes()));
        // Plain ASCII by now.
        file.truncate(LONGEST - digest.len() - 1);
        file = format!("{file}_{digest}");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_distinct_plain_files() {
        assert_eq!(
            file_name("cimg/base:2024.01").expect("a name"),
            "cimg%2Fbase%3A2024.01"
        );
        assert_ne!(
            file_name("a/b").expect("a name"),
            file_name("a_b").expect("a name")
        );
        let long = |end: &str| file_name(&format!("{}{end}", "a/".repeat(200))).expect("a name");
        assert!(long("x").len() <= LONGEST && long("x") != long("y"));
        for bad in ["", "../x", "/etc", "a b", "-x", "%2F"] {
            assert!(file_name(bad).is_err(), "{bad:?} was taken");
        }
    }
}
