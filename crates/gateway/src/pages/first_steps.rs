//! The first five minutes: what somebody types who has just started this instance, with its own addresses in it.

use airlock_control_plane::Addresses;
use airlock_control_plane::rows::ProjectRow;
use airlock_domain::ProjectSlug;

/// The project in the commands, while there is none.
const EXAMPLE: &str = "demo/hello";

/// A config that runs anywhere.
const CONFIG: &str = "version: 2.1
jobs:
  hello:
    docker:
      - image: airlock/base
    steps:
      - checkout
      - run: echo \"Hello from $CIRCLE_BRANCH\"
workflows:
  main:
    jobs: [hello]
";

/// The steps to a first green pipeline.
pub(crate) struct FirstSteps {
    /// The project that is there already.
    pub(crate) project: Option<String>,
    pub(crate) create: String,
    pub(crate) config: &'static str,
    pub(crate) push: String,
    pub(crate) host: String,
    pub(crate) host_key: String,
}

impl FirstSteps {
    pub(crate) fn new(addresses: &Addresses, project: Option<&ProjectRow>) -> Self {
        let name = project.map_or_else(|| EXAMPLE.to_owned(), |row| row.slug.short());
        let git_url =
            ProjectSlug::parse(&name).map_or_else(|_| String::new(), |slug| addresses.git_url(&slug));
        let host = if addresses.git_port == 22 {
            addresses.git_host.clone()
        } else {
            format!("[{}]:{}", addresses.git_host, addresses.git_port)
        };
        Self {
            create: format!("airlock project create {name} --key ~/.ssh/id_ed25519.pub"),
            config: CONFIG,
            push: format!(
                "git add .circleci/config.yml\ngit commit -m \"Build with Airlock\"\ngit remote add airlock \
                 {git_url}\ngit push airlock HEAD:main"
            ),
            host_key: format!("{host} {}", addresses.git_host_key),
            host,
            project: project.map(|_| name),
        }
    }
}
