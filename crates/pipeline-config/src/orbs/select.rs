//! Which of the versions there are a reference means. Used by every driver that keeps orbs, so that a folder and a registry
//! agree.

use super::reference::{OrbVersion, Version};

/// The newest of the available versions that fits; nothing when none does. Versions are written as they are published,
/// `5.2.0` or `dev:label`; other texts in the list fit nothing. Published versions never give way to `dev:` ones.
pub fn select<'v>(wanted: &OrbVersion, available: impl IntoIterator<Item = &'v str>) -> Option<&'v str> {
    if let OrbVersion::Dev(label) = wanted {
        return available
            .into_iter()
            .find(|text| text.strip_prefix("dev:") == Some(label));
    }
    available
        .into_iter()
        .filter_map(|text| Some((published(text)?, text)))
        .filter(|(version, _)| fits(wanted, *version))
        .max_by_key(|(version, _)| *version)
        .map(|(_, text)| text)
}

/// A version's numbers when the text is a published one.
pub fn published(text: &str) -> Option<Version> {
    match OrbVersion::parse(text) {
        Ok(OrbVersion::Exact(version)) => Some(version),
        Ok(OrbVersion::Minor(..) | OrbVersion::Major(_) | OrbVersion::Volatile | OrbVersion::Dev(_))
        | Err(_) => None,
    }
}

fn fits(wanted: &OrbVersion, version: Version) -> bool {
    match wanted {
        OrbVersion::Exact(exact) => version == *exact,
        OrbVersion::Minor(major, minor) => version.major == *major && version.minor == *minor,
        OrbVersion::Major(major) => version.major == *major,
        OrbVersion::Volatile => true,
        OrbVersion::Dev(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVAILABLE: [&str; 8] = [
        "5.2.0",
        "5.10.1",
        "5.2.11",
        "4.9.0",
        "dev:alpha",
        "dev:9",
        "junk",
        "5.2",
    ];

    fn selected(wanted: &str) -> Option<&'static str> {
        select(&OrbVersion::parse(wanted).expect("it is a version"), AVAILABLE)
    }

    #[test]
    fn the_newest_that_fits_by_number_not_by_letter() {
        assert_eq!(selected("5.2.0"), Some("5.2.0"));
        assert_eq!(selected("5.2"), Some("5.2.11"));
        assert_eq!(selected("5"), Some("5.10.1"));
        assert_eq!(selected("volatile"), Some("5.10.1"));
        assert_eq!(selected("dev:alpha"), Some("dev:alpha"));
    }

    #[test]
    fn nothing_when_none_fits() {
        for wanted in ["5.2.1", "5.3", "6", "dev:beta", "dev:alph"] {
            assert_eq!(selected(wanted), None, "{wanted}");
        }
    }
}
