//! Who a container's processes run as: the words of `user:`, looked up in the image's own
//! `/etc/passwd` and `/etc/group` as Docker does. Text in, ids out; the files are whatever the image says they are, so
//! nothing here trusts them with more than names.

use std::io::Read as _;

use airlock_sandbox::InRootError;
use airlock_sandbox::channel::StepUser;

use crate::limits::ACCOUNT_FILE_BYTES;

/// Somebody processes run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The ids.
    pub(crate) user: StepUser,
    /// The name, or the number where there is none.
    pub(crate) name: String,
    /// The home directory.
    pub(crate) home: String,
}

/// Why there is no such account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccountError {
    /// A name that the image does not have.
    #[error("the image has no user '{0}' in its /etc/passwd; name one that it has, or give a number")]
    NoUser(String),
    /// A group that the image does not have.
    #[error("the image has no group '{0}' in its /etc/group; name one that it has, or give a number")]
    NoGroup(String),
}

impl Account {
    /// Looks words up: nothing means root, `name`, `id`, and either with `:group` or `:id` after it.
    pub(crate) fn find(words: Option<&str>, passwd: &str, group: &str) -> Result<Self, AccountError> {
        let words = words.filter(|words| !words.is_empty()).unwrap_or("0");
        let (who, with) = words.split_once(':').map_or((words, ""), |parts| parts);
        let who = if who.is_empty() { "0" } else { who };
        let with = Some(with).filter(|with| !with.is_empty());
        let known = entries(passwd).find(|fields| {
            fields.first() == Some(&who)
                || (number(who).is_some() && field(fields, 2).and_then(number) == number(who))
        });
        let uid = match &known {
            Some(fields) => field(fields, 2).and_then(number),
            None => number(who),
        };
        let uid = uid.ok_or_else(|| AccountError::NoUser(who.to_owned()))?;
        let name = known.as_ref().and_then(|fields| field(fields, 0)).unwrap_or(who);
        let home = known.as_ref().and_then(|fields| field(fields, 5));
        let home = home
            .filter(|home| home.starts_with('/'))
            .unwrap_or(if uid == 0 { "/root" } else { "/" });
        let (gid, groups) = if let Some(with) = with {
            // A group that is named is the only one.
            (find_group(with, group)?, Vec::new())
        } else {
            let gid = known.as_ref().and_then(|fields| field(fields, 3));
            let gid = gid.and_then(number).unwrap_or(0);
            (gid, memberships(name, gid, group))
        };
        Ok(Self {
            user: StepUser { uid, gid, groups },
            name: name.to_owned(),
            home: home.to_owned(),
        })
    }
}

/// An account file of a container, empty where there is none; only so much of it.
pub(crate) fn read(opened: Result<std::fs::File, InRootError>) -> String {
    let Ok(file) = opened else { return String::new() };
    let mut bytes = Vec::new();
    match file.take(ACCOUNT_FILE_BYTES).read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn field<'a>(fields: &[&'a str], index: usize) -> Option<&'a str> {
    fields.get(index).copied()
}

/// An id that a sandbox can show.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id < crate::limits::IMAGE_IDS)
}

fn find_group(words: &str, group: &str) -> Result<u32, AccountError> {
    let named = entries(group).find(|fields| fields.first() == Some(&words));
    let found = match named {
        Some(fields) => field(&fields, 2).and_then(number),
        None => number(words),
    };
    found.ok_or_else(|| AccountError::NoGroup(words.to_owned()))
}

fn memberships(name: &str, primary: u32, group: &str) -> Vec<u32> {
    let of = entries(group)
        .filter(|fields| field(fields, 3).is_some_and(|all| all.split(',').any(|one| one == name)));
    of.filter_map(|fields| field(&fields, 2).and_then(number))
        .filter(|gid| *gid != primary)
        .take(crate::limits::ACCOUNT_GROUPS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ncircleci:x:3434:3434:,,,:/home/circleci:/bin/bash\n\
                          postgres:x:70:70::/var/lib/postgresql:/bin/sh\nbroken\nodd:x:70000:1::/odd:/bin/sh\n";
    const GROUP: &str = "root:x:0:\ncircleci:x:3434:\ndocker:x:999:circleci,other\nwheel:x:10:circleci\n";

    fn found(words: &str) -> (u32, u32, Vec<u32>, String, String) {
        let Account { user, name, home } = Account::find(Some(words), PASSWD, GROUP).expect("found");
        (user.uid, user.gid, user.groups, name, home)
    }

    #[test]
    fn names_and_numbers_are_found_with_home_and_groups() {
        let circleci = (
            3434,
            3434,
            vec![999, 10],
            "circleci".to_owned(),
            "/home/circleci".to_owned(),
        );
        assert_eq!(found("circleci"), circleci);
        assert_eq!(found("3434"), circleci);
        assert_eq!(
            found("postgres:999"),
            (
                70,
                999,
                Vec::new(),
                "postgres".into(),
                "/var/lib/postgresql".into()
            )
        );
        assert_eq!(found("postgres:docker").1, 999);
        assert_eq!(found(":docker").0, 0);
        assert_eq!(found("1234"), (1234, 0, Vec::new(), "1234".into(), "/".into()));
    }

    #[test]
    fn nobody_named_is_root() {
        for words in [None, Some("")] {
            let root = Account::find(words, PASSWD, GROUP).expect("root");
            assert_eq!(
                (root.user, root.name.as_str(), root.home.as_str()),
                (StepUser::default(), "root", "/root")
            );
        }
        // An image without a single account, too.
        assert_eq!(Account::find(None, "", "").expect("root").home, "/root");
    }

    #[test]
    fn who_is_not_there_is_said() {
        let said = |words| Account::find(Some(words), PASSWD, GROUP).expect_err("nobody");
        assert_eq!(said("nobody"), AccountError::NoUser("nobody".into()));
        assert_eq!(said("root:nogroup"), AccountError::NoGroup("nogroup".into()));
        // Ids that no sandbox can show.
        assert_eq!(said("odd"), AccountError::NoUser("odd".into()));
        assert_eq!(said("65536"), AccountError::NoUser("65536".into()));
    }
}
